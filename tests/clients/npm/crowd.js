// Many real players in one process: node crowd.js HOST PORT PREFIX COUNT VERSION
// in:  {"do":"join"} {"do":"chat","text":"hi"} {"do":"leave"}: all of them      the end of input leaves and exits
// out: {"event":"ready"}, then what bot.js tells, with "name"
'use strict'

const readline = require('node:readline')
const player = require('./player')

const [host, port, prefix, count, version] = process.argv.slice(2)
const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')
const names = Array.from({ length: Number(count) }, (_, i) => `${prefix}${i}`)
let clients = []

const deeds = {
  join: () => { clients = names.map(name => player.join({ host, port, name, version }, (event, more) => tell(event, { name, ...more }))) },
  chat: ({ text }) => clients.forEach(client => client.chat(text)),
  leave: () => clients.forEach(client => client.end('left'))
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const order = JSON.parse(line)
  deeds[order.do](order)
}).on('close', () => {
  deeds.leave()
  setImmediate(() => process.exit(0))
})
tell('ready')
