// An unmodified npm client of exaroton, driven by JSON lines: node exaroton_client.js BASE_URL TOKEN [PACKAGE]
// BASE_URL is that of the API with its version, say http://127.0.0.1:8000/v1; PACKAGE is `exaroton` or `exaroton2`
// in:  {"do":"account"|"servers"|"pools"} {"do":"get"|"start"|"executeCommand"|…, "server":ID, "args":[…]}
//      with "pool":ID the order goes to that credit pool; with "server" and "list":NAME or "file":PATH to that player
//      list or file of the server (getEntries, getInfo, download, …)
//      {"do":"uploadChunked","server":ID,"file":PATH,"args":[SOURCE]}     a stream of unknown length
//      {"do":"getOptions","server":ID,"file":PATH}   {"do":"saveOptions",…,"args":[{"KEY":VALUE,…}]}
//      {"do":"request","args":[METHOD, ENDPOINT]}: a request of one's own, by the client's public class for those
//      {"do":"subscribe","server":ID,"streams":["console",…],"tail":N}   {"do":"unsubscribe","server":ID[,"args":[STREAM]]}
//      {"do":"manage","server":ID,"args":[METHOD, …]}: a method of `mc-server-management` over the stream `management`
//      {"do":"notice","server":ID,"args":[NAME]}: tell that notification of the game's when it comes
// out: {"event":"ready"}, one {"event":"result"|"error","do":…} for each order in turn, and what the streams bring:
//      {"event":"status"|"line"|"started"|"stopped"|"tick"|"stats"|"heap"|"notification"|"open"|"connected"|…}
//      {"event":"asked","method":…,"path":…,"status":N}: what the client has asked, as Node.js itself tells it
'use strict'

const diagnostics = require('node:diagnostics_channel')
const fs = require('node:fs')
const readline = require('node:readline')
const { Readable } = require('node:stream')

const [baseUrl, token, packageName = 'exaroton'] = process.argv.slice(2)
const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')

diagnostics.subscribe('http.client.response.finish', ({ request, response }) => {
  tell('asked', { method: request.method, path: request.path, status: response.statusCode })
})
diagnostics.subscribe('undici:request:headers', ({ request, response }) => {
  tell('asked', { method: request.method, path: request.path, status: response.statusCode })
})

function pointed (Client) {
  const base = new URL(baseUrl)
  const client = new Client(token)
  // The client's public fields; the address of the WebSocket is made of the same three.
  client.protocol = base.protocol.slice(0, -1)
  client.host = base.host
  client.basePath = base.pathname.replace(/\/*$/, '/')
  return client
}

/** What a client returned, as plain data: its classes keep some of theirs private. */
function plain (value, { Response }) {
  if (value instanceof Response) return value.body
  if (!(value instanceof Map)) return value ?? null
  return [...value.values()].map(option => ({
    key: option.getKey(),
    label: option.getLabel(),
    type: option.getType(),
    value: option.getValue(),
    options: option.getOptions()
  }))
}

function deedsOf (client, { Request }, management) {
  const servers = new Map() // one object per server: it keeps the WebSocket and the status seen last
  const server = id => servers.get(id) ?? servers.set(id, client.server(id)).get(id)
  const games = new Map()

  function listen (id, name, tail) {
    const stream = server(id).getWebsocketClient().getStream(name)
    for (const event of ['started', 'stopped']) stream.on(event, () => tell(event, { server: id, stream: name }))
    stream.on('event', ({ type, data }) => tell(type, { server: id, stream: name, text: data?.line, data }))
    stream.start(name === 'console' ? { tail } : undefined)
  }

  function subscribe ({ server: id, streams = [], tail = 0 }) {
    const watched = server(id)
    const socket = watched.getWebsocketClient()
    if (!socket.isConnected()) {
      for (const event of ['open', 'connected', 'disconnected', 'close']) socket.on(event, () => tell(event, { server: id }))
      socket.on('status', () => tell('status', { server: id, stream: 'status', data: watched }))
      socket.on('error', error => tell('socket-error', { server: id, message: error.message }))
      socket.connect()
    }
    for (const name of streams) listen(id, name, tail)
  }

  const proxy = id => server(id).getWebsocketClient().getStream('management').getProxyConnection()

  async function manage ({ server: id, args: [method, ...args] }) {
    const game = games.get(id) ?? games.set(id, new management.MinecraftServer(proxy(id))).get(id)
    const result = await game[method](...args)
    tell('response', { server: id, stream: 'management', data: result ?? null })
    return result
  }

  async function saveOptions ({ server: id, file, args: [values] }) {
    const config = server(id).getFile(file).getConfig()
    for (const [key, value] of Object.entries(values)) (await config.getOption(key)).setValue(value)
    return config.save()
  }

  return {
    account: () => client.getAccount(),
    servers: () => client.getServers(),
    pools: () => client.getPools(),
    request: ({ args: [method, endpoint] }) => client.request(Object.assign(new Request(), { method, endpoint })),
    subscribe,
    unsubscribe: ({ server: id, args = [] }) => { server(id).unsubscribe(args[0]) },
    manage,
    notice: ({ server: id, args: [name] }) => {
      proxy(id).on(name, data => tell('notification', { server: id, stream: 'management', name, data }))
    },
    getOptions: ({ server: id, file }) => server(id).getFile(file).getConfig().getOptions(),
    saveOptions,
    uploadChunked: ({ server: id, file, args: [source] }) =>
      server(id).getFile(file).uploadFromStream(Readable.from(fs.createReadStream(source))),
    call ({ do: method, server: id, pool, list, file, args = [] }) {
      if (pool !== undefined) return client.pool(pool)[method](...args)
      const target = list !== undefined ? server(id).getPlayerList(list) : file !== undefined ? server(id).getFile(file) : server(id)
      return target[method](...args)
    }
  }
}

async function main () {
  const module = await import(packageName)
  const library = module.default ?? module
  const management = packageName === 'exaroton' ? null : await import('mc-server-management')
  const deeds = deedsOf(pointed(library.Client), library, management)

  async function obey (order) {
    try {
      const data = await (deeds[order.do] ?? deeds.call)(order)
      tell('result', { do: order.do, data: plain(data, library) })
    } catch (error) {
      // Anything may be thrown, nothing included.
      const { message = String(error), statusCode: status = null } = error ?? {}
      tell('error', { do: order.do, name: error?.constructor.name, message, status })
    }
  }

  let last = Promise.resolve()
  readline.createInterface({ input: process.stdin })
    .on('line', line => { last = last.then(() => obey(JSON.parse(line))) })
    .on('close', () => last.finally(() => process.exit(0)))
  tell('ready')
}

main()
