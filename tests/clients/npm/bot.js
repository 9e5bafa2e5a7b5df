// One real player, driven by JSON lines: node bot.js HOST PORT NAME VERSION
// in:  {"do":"join"} {"do":"chat","text":"hi"} {"do":"leave"}      the end of input leaves and exits
// out: {"event":"ready"|"login"|"spawn"|"chat"|"kicked"|"end"|"error", ...}
'use strict'

const readline = require('node:readline')
const player = require('./player')

const [host, port, name, version] = process.argv.slice(2)
const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')
let client = null

const deeds = {
  join: () => { client = player.join({ host, port, name, version }, tell) },
  chat: ({ text }) => client.chat(text),
  leave: () => client.end('left')
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const order = JSON.parse(line)
  try {
    deeds[order.do](order)
  } catch (error) {
    tell('error', { message: String(error.message ?? error) })
  }
}).on('close', () => {
  if (client === null || client.ended) process.exit(0)
  client.on('end', () => process.exit(0))
  client.end('left')
})
tell('ready')
