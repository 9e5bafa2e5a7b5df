// Runs flying-squid as a game server should run under a keeper: its settings are server.properties and the player
// lists of the working directory, its console is one plain line per event, its exit code tells a stop from a crash.
// It refuses to know about the panel: what it is told comes as files, one argument (the game version) and the console.
//
// Usage: node server.js VERSION      (working directory = the server's; flying-squid is looked for beside this file)
'use strict'

const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const { format } = require('node:util')

const LONGEST_LINE = 4096
const LEVEL_TYPES = ['superflat', 'diamond_square', 'grass_field', 'all_the_blocks']
const GAME_MODES = ['survival', 'creative', 'adventure', 'spectator']
const DIFFICULTIES = ['peaceful', 'easy', 'normal', 'hard']
const started = process.uptime()

makeTheConsolePlain()
const { createMCServer, testedVersions } = require('flying-squid')
main()

/** One event is one line without control characters: nothing a player sends can start a line of its own. */
function makeTheConsolePlain () {
  process.env.FORCE_COLOR = '0' // read by flying-squid's `colors` when it is loaded
  const visible = c => c === '\t' ? ' ' : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  const print = (...args) => {
    const text = format(...args).slice(0, LONGEST_LINE).replace(/\r?\n/g, '\\n')
    // eslint-disable-next-line no-control-regex
    process.stdout.write(text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, visible) + '\n')
  }
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace']) console[name] = print

  // flying-squid draws a prompt for somebody at a terminal; an interface without output reads lines and draws nothing.
  const createInterface = readline.createInterface
  readline.createInterface = options => createInterface({ input: options.input, terminal: false })
  readline.cursorTo = () => true
}

function main () {
  const settings = readProperties('server.properties')
  const version = process.argv[2] || testedVersions[testedVersions.length - 1]
  const server = createMCServer({
    version,
    host: settings.text('server-ip', '127.0.0.1'),
    port: settings.whole('server-port', 25565),
    motd: settings.text('motd', 'A Minecraft Server'),
    'max-players': settings.whole('max-players', 20),
    'online-mode': settings.truth('online-mode', false),
    'view-distance': settings.whole('view-distance', 10),
    'max-entities': settings.whole('max-entities', 100),
    gameMode: settings.choice('gamemode', GAME_MODES, 0),
    difficulty: settings.choice('difficulty', DIFFICULTIES, 1),
    generation: { // any other name would be loaded as a module
      name: LEVEL_TYPES[settings.choice('level-type', LEVEL_TYPES, 0)],
      options: { seed: settings.seed('level-seed'), worldHeight: 80 }
    },
    worldFolder: path.join('.', path.basename(path.resolve('/', settings.text('level-name', 'world'))) || 'world'),
    kickTimeout: 10000,
    plugins: {},
    modpe: false,
    'everybody-op': false,
    'player-list-text': { header: { text: '' }, footer: { text: '' } },
    logging: false, // the keeper's journal is the log
    hideErrors: true,
    validateChannelProtocol: false, // 0.2 s of a core for each login
    errorHandler: client => client.end('Disconnected'), // `clientError` prints it
    debug: () => {} // with a debug function flying-squid leaves uncaught errors to us
  })

  const complain = error => server.err(`Error: ${error?.stack ?? error}`)
  server.on('error', error => {
    if (error.syscall === 'listen') process.exit(1)
  })
  server.removeAllListeners('clientError') // a lost connection is no error of the server's: a line, not a stack
  server.on('clientError', (client, error) => server.warn(`Connection of ${client.socket?.remoteAddress} failed: ${error.message}`))
  process.on('unhandledRejection', complain)
  process.on('uncaughtException', complain) // flying-squid rethrows one player's errors: not everybody's end
  guardTheDoor(server, settings)
  server.commands.add({
    base: 'list',
    info: 'to show who is online',
    usage: '/list',
    action: () => `There are ${server.players.length} of a max of ${settings.whole('max-players', 20)} players online: ` +
      server.players.map(player => player.username).join(', ')
  })
  Promise.all([once(server, 'pluginsReady'), once(server, 'listening')]).then(() => {
    server.info(`Done (${(process.uptime() - started).toFixed(3)}s)! For help, type "help"`)
  }, complain)
}

/** Keep out whom the game itself would keep out; the lists are read at each login, so an edit holds at once. */
function guardTheDoor (server, settings) {
  const refusal = (name, address) => {
    const listed = file => readList(file).find(entry => String(entry.name).toLowerCase() === name.toLowerCase())
    if (!/^[A-Za-z0-9_]{1,16}$/.test(name)) return 'Invalid name'
    if (server.getPlayer(name)) return 'You are already connected'
    const ban = listed('banned-players.json') ?? readList('banned-ips.json').find(entry => entry.ip === address)
    if (ban) return `You are banned from this server: ${ban.reason ?? 'no reason given'}`
    const operator = listed('ops.json')
    if (settings.truth('white-list', false) && !operator && !listed('whitelist.json')) return 'You are not white-listed on this server!'
    if (server.players.length >= settings.whole('max-players', 20) && !operator?.bypassesPlayerLimit) return 'The server is full!'
    return null
  }
  server._server.on('connection', client => {
    const [login] = client.listeners('login_start')
    client.removeAllListeners('login_start')
    client.once('login_start', packet => {
      const reason = refusal(packet.username, client.socket?.remoteAddress)
      if (reason === null) return login(packet)
      server.info(`Refused ${JSON.stringify(packet.username)} (${client.socket?.remoteAddress}): ${reason}`)
      client.end(reason)
    })
  })
  server.on('newPlayer', player => player.on('connected', () => {
    player.op = readList('ops.json').some(entry => String(entry.name).toLowerCase() === player.username.toLowerCase())
    // Who leaves while still logging in is announced by flying-squid as gone first and as come afterwards.
    if (player.disconnected) server.info(`${player.username} disconnected`)
  }))
}

/** The entries of a player list, none when there is no such file or it is not a list. */
function readList (file) {
  try {
    const entries = JSON.parse(fs.readFileSync(file, 'utf8'))
    return Array.isArray(entries) ? entries.filter(entry => entry !== null && typeof entry === 'object') : []
  } catch (error) {
    if (error.code !== 'ENOENT') console.log(`[WARN]: ${path.basename(file)} cannot be read: ${error.message}`)
    return []
  }
}

/** A Java properties file; a missing file is an empty one. */
function readProperties (file) {
  const values = new Map()
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([^#!=:\s][^=:\s]*)\s*[=:]\s*(.*)$/.exec(line)
    if (match) values.set(match[1], match[2].replace(/\\u([0-9a-fA-F]{4})|\\(.)/g, unescapeProperty))
  }
  const get = (name, otherwise) => values.get(name) || otherwise
  return {
    text: get,
    whole: (name, otherwise) => /^\d+$/.test(get(name, '')) ? Number(get(name)) : otherwise,
    truth: (name, otherwise) => get(name, String(otherwise)) === 'true',
    choice: (name, choices, otherwise) => choices.includes(get(name)) ? choices.indexOf(get(name)) : otherwise,
    seed: name => /^-?\d{1,15}$/.test(get(name, '')) ? Number(get(name)) : undefined
  }
}

function unescapeProperty (_, code, letter) {
  if (code) return String.fromCharCode(parseInt(code, 16))
  return { n: '\n', r: '\r', t: '\t', f: '\f' }[letter] ?? letter
}
