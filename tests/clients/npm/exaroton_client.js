// The unmodified npm client `exaroton`, driven by JSON lines: node exaroton_client.js BASE_URL TOKEN
// BASE_URL is that of the API with its version, say http://127.0.0.1:8000/exaroton/v1
// in:  {"do":"account"|"servers"} {"do":"get"|"start"|"stop"|"restart"|"executeCommand"|…, "server":ID, "args":[…]}
//      with "list":NAME or "file":PATH the order goes to that player list or file of the server (getEntries, getContent, …)
//      {"do":"subscribe","server":ID,"streams":["console",…],"tail":N}   {"do":"unsubscribe","server":ID}
// out: {"event":"ready"}, one {"event":"result"|"error","do":…} for each order in turn, and what the streams bring:
//      {"event":"status"|"line"|"started"|"tick"|"stats"|"heap"|"open"|"connected"|"disconnected"|"close"|"socket-error", …}
'use strict'

const readline = require('node:readline')
const { Client, Response } = require('exaroton')

const base = new URL(process.argv[2])
const client = new Client(process.argv[3])
// The client's public fields; the address of the WebSocket is made of the same three.
client.protocol = base.protocol.slice(0, -1)
client.host = base.host
client.basePath = base.pathname.replace(/\/*$/, '/')

const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')
const servers = new Map() // one object per server: it keeps the WebSocket and the status seen last
const server = id => servers.get(id) ?? servers.set(id, client.server(id)).get(id)

function subscribe ({ server: id, streams = [], tail = 0 }) {
  const watched = server(id)
  const socket = watched.getWebsocketClient()
  for (const event of ['open', 'connected', 'disconnected', 'close']) socket.on(event, () => tell(event, { server: id }))
  socket.on('status', () => tell('status', { server: id, data: watched }))
  socket.on('error', error => tell('socket-error', { server: id, message: error.message }))
  socket.connect()
  for (const name of streams) {
    const stream = socket.getStream(name)
    stream.on('started', () => tell('started', { server: id, stream: name }))
    stream.on('event', ({ type, data }) => tell(type, { server: id, text: data?.line, data }))
    stream.start(name === 'console' ? { tail } : undefined)
  }
}

const deeds = {
  account: () => client.getAccount(),
  servers: () => client.getServers(),
  subscribe,
  unsubscribe: ({ server: id }) => server(id).getWebsocketClient().disconnect()
}

function call ({ do: method, server: id, list, file, args = [] }) {
  const target = list ? server(id).getPlayerList(list) : file ? server(id).getFile(file) : server(id)
  return target[method](...args)
}

async function obey (order) {
  try {
    const data = await (deeds[order.do] ?? call)(order)
    tell('result', { do: order.do, data: data instanceof Response ? data.body : data ?? null })
  } catch (error) {
    tell('error', { do: order.do, name: error.constructor.name, message: error.message, status: error.statusCode ?? null })
  }
}

let last = Promise.resolve()
readline.createInterface({ input: process.stdin })
  .on('line', line => { last = last.then(() => obey(JSON.parse(line))) })
  .on('close', () => last.finally(() => process.exit(0)))
tell('ready')
