// Runs flying-squid as a game server should run under a keeper: its settings are server.properties and the player
// lists of the working directory, its console is one plain line per event, its exit code tells a stop from a crash.
// It refuses to know about the panel: what it is told comes as files, one argument (the game version) and the console.
//
// Usage: node server.js VERSION      (working directory = the server's; flying-squid is looked for beside this file)
'use strict'

const { createHash } = require('node:crypto')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')
const { performance } = require('node:perf_hooks')
const readline = require('node:readline')
const { format } = require('node:util')

const LONGEST_LINE = 4096
const LEVEL_TYPES = ['superflat', 'diamond_square', 'grass_field', 'all_the_blocks']
const GAME_MODES = ['survival', 'creative', 'adventure', 'spectator']
const DIFFICULTIES = ['peaceful', 'easy', 'normal', 'hard']
const PROPERTIES = 'server.properties'
const WHITELIST = 'whitelist.json'
const OPERATORS = 'ops.json'
const BANNED_PLAYERS = 'banned-players.json'
const BANNED_ADDRESSES = 'banned-ips.json'
const PLAYER_NAME = /^[A-Za-z0-9_]{1,16}$/
const TICKS_PER_SECOND = 20 // flying-squid's
const TICKS_KEPT = 100
const ACCOUNTS = 'https://api.mojang.com/users/profiles/minecraft/'
const ACCOUNTS_TIMEOUT_MS = 10000
const started = process.uptime()

makeTheConsolePlain()
const { createMCServer, testedVersions, UserError } = require('flying-squid')
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
  const settings = readProperties(PROPERTIES)
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
  teachCommands(server, settings)
  Promise.all([once(server, 'pluginsReady'), once(server, 'listening')]).then(() => {
    server.info(`Done (${(process.uptime() - started).toFixed(3)}s)! For help, type "help"`)
  }, complain)
}

/** Keep out whom the game itself would keep out; the lists are read at each login, so an edit holds at once. */
function guardTheDoor (server, settings) {
  const refusal = (name, address) => {
    const listed = file => readList(file).find(isNamed(name))
    if (!PLAYER_NAME.test(name)) return 'Invalid name'
    if (server.getPlayer(name)) return 'You are already connected'
    const ban = listed(BANNED_PLAYERS) ?? readList(BANNED_ADDRESSES).find(entry => isAddress(entry.ip, address))
    if (ban) return banned(ban.reason ?? 'no reason given')
    const operator = listed(OPERATORS)
    if (settings.truth('white-list', false) && !operator && !listed(WHITELIST)) return 'You are not white-listed on this server!'
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
    player.op = readList(OPERATORS).some(isNamed(player.username))
    // Who leaves while still logging in is announced by flying-squid as gone first and as come afterwards.
    if (player.disconnected) server.info(`${player.username} disconnected`)
  }))
}

/** The commands that administrators of Minecraft know. What they change stands in the files, for good and at once. */
function teachCommands (server, settings) {
  const accounts = knowAccounts(server, settings)
  const tickReport = measureTicks(server)
  Object.setPrototypeOf(server.commands.hash, null) // or `constructor` would be a command
  let turn = Promise.resolve() // commands are answered in the order typed, though some first ask for an account
  const teach = (base, parameters, info, action, op = true) => {
    const usage = parameters ? `/${base} ${parameters}` : `/${base}`
    server.commands.add({
      base,
      usage,
      info,
      op,
      parse: text => ({ words: text.split(' ').filter(Boolean) }),
      action ({ words }, { player }) {
        const tell = player ? line => player.chat(line) : line => server.info(line)
        const answered = turn.then(async () => {
          const answer = await action(words, { name: player?.username ?? 'Server', tell })
          if (answer === undefined) throw new UserError(`Usage: ${usage}`)
          for (const line of [answer.changed ?? answer].flat()) tell(line)
          if (player && answer.changed) server.info(`[${player.username}: ${answer.changed}]`)
        })
        turn = answered.catch(() => {}) // flying-squid tells whoever asked
        return answered
      }
    })
  }
  teach('list', '', 'to show who is online', () => {
    return `There are ${server.players.length} of a max of ${settings.whole('max-players', 20)} players online: ` +
      server.players.map(player => player.username).join(', ')
  }, false)
  teachLists(teach, accounts, settings)
  teachBans(teach, accounts, server)
  teach('save-all', '', 'to write the world and the players to disk', async (_, asker) => {
    asker.tell('Saving the game (this may take a moment!)')
    await Promise.all([server.overworld.saveNow(), ...server.players.map(player => player.save())])
    return { changed: 'Saved the game' }
  })
  teach('tick', 'query', 'to show how long ticks take', ([verb]) => verb === 'query' ? tickReport() : undefined)
}

/** The lists of who may do what: an action's answer is what it `changed`, or why nothing was; undefined: its usage. */
function teachLists (teach, accounts, settings) {
  const whitelistSwitch = on => {
    const state = on ? 'on' : 'off'
    if (settings.truth('white-list', false) === on) return `Whitelist is already turned ${state}`
    settings.turn('white-list', on)
    return { changed: `Whitelist is now turned ${state}` }
  }
  const whitelist = {
    on: () => whitelistSwitch(true),
    off: () => whitelistSwitch(false),
    reload () {
      readListToChange(WHITELIST) // it is read at each login: this is to tell whether it can be
      return { changed: 'Reloaded the whitelist' }
    },
    list () {
      const names = readListToChange(WHITELIST).filter(isEntry).map(entry => entry.name)
      if (names.length === 0) return 'There are no whitelisted players'
      return `There are ${names.length} whitelisted player(s): ${names.join(', ')}`
    },
    async add (name) {
      const { uuid, name: theirs } = await accounts.of(name)
      if (!putOnList(WHITELIST, isAccount(uuid, theirs), { uuid, name: theirs })) return 'Player is already whitelisted'
      return { changed: `Added ${theirs} to the whitelist` }
    },
    remove (name) {
      const removed = takeOffList(WHITELIST, accounts.known(name))
      return removed ? { changed: `Removed ${removed.name} from the whitelist` } : 'Player is not whitelisted'
    }
  }
  teach('whitelist', 'add|remove|list|on|off|reload [player]', 'to say who may join', ([verb, name, ...more]) => {
    const takesName = verb === 'add' || verb === 'remove'
    if (!Object.hasOwn(whitelist, verb) || takesName !== (name !== undefined) || more.length > 0) return undefined
    return whitelist[verb](name)
  })
  teach('op', '<player>', 'to make a player an operator', async ([name, ...more]) => {
    if (!name || more.length > 0) return undefined
    const { uuid, name: theirs } = await accounts.of(name)
    const entry = { uuid, name: theirs, level: 4, bypassesPlayerLimit: false }
    if (!putOnList(OPERATORS, isAccount(uuid, theirs), entry)) return 'Nothing changed. The player already is an operator'
    const player = accounts.online(theirs)
    if (player) player.op = true
    return { changed: `Made ${theirs} a server operator` }
  })
  teach('deop', '<player>', 'to make a player no operator', ([name, ...more]) => {
    if (!name || more.length > 0) return undefined
    const removed = takeOffList(OPERATORS, accounts.known(name))
    if (!removed) return 'Nothing changed. The player is not an operator'
    const player = accounts.online(name)
    if (player) player.op = false
    return { changed: `Made ${removed.name} no longer a server operator` }
  })
}

function teachBans (teach, accounts, server) {
  const ban = (asker, words) => ({
    created: new Date().toISOString().replace('T', ' ').replace(/\..*$/, ' +0000'),
    source: asker.name,
    expires: 'forever',
    reason: words.join(' ') || 'Banned by an operator.'
  })
  teach('ban', '<player> [reason]', 'to keep a player out', async ([name, ...words], asker) => {
    if (!name) return undefined
    const { uuid, name: theirs } = await accounts.of(name)
    const entry = { uuid, name: theirs, ...ban(asker, words) }
    if (!putOnList(BANNED_PLAYERS, isAccount(uuid, theirs), entry)) return 'Nothing changed. The player is already banned'
    accounts.online(theirs)?.kick(banned(entry.reason))
    return { changed: `Banned ${theirs}: ${entry.reason}` }
  })
  teach('pardon', '<player>', 'to let a banned player in again', ([name, ...more]) => {
    if (!name || more.length > 0) return undefined
    const removed = takeOffList(BANNED_PLAYERS, accounts.known(name))
    return removed ? { changed: `Unbanned ${removed.name}` } : 'Nothing changed. The player isn\'t banned'
  })
  teach('ban-ip', '<address|player> [reason]', 'to keep an address out', ([target, ...words], asker) => {
    if (!target) return undefined
    const ip = plainAddress(target) ?? plainAddress(accounts.online(target)?._client.socket?.remoteAddress)
    if (ip === null) throw new UserError('Invalid IP address or unknown player')
    const entry = { ip, ...ban(asker, words) }
    if (!putOnList(BANNED_ADDRESSES, other => isAddress(other.ip, ip), entry)) return 'Nothing changed. That IP is already banned'
    for (const player of [...server.players]) {
      if (isAddress(ip, player._client.socket?.remoteAddress)) player.kick(banned(entry.reason))
    }
    return { changed: `Banned IP ${ip}: ${entry.reason}` }
  })
  teach('pardon-ip', '<address>', 'to let a banned address in again', ([target, ...more]) => {
    if (!target || more.length > 0) return undefined
    const ip = plainAddress(target)
    if (ip === null) throw new UserError('Invalid IP address')
    const removed = takeOffList(BANNED_ADDRESSES, entry => isAddress(entry.ip, ip))
    return removed ? { changed: `Unbanned IP ${ip}` } : 'Nothing changed. That IP isn\'t banned'
  })
  teach('banlist', '[ips|players]', 'to show who is banned', ([which, ...more]) => {
    if (![undefined, 'ips', 'players'].includes(which) || more.length > 0) return undefined
    const files = { ips: [BANNED_ADDRESSES], players: [BANNED_PLAYERS] }[which] ?? [BANNED_PLAYERS, BANNED_ADDRESSES]
    const bans = files.flatMap(file => readListToChange(file).filter(isEntry))
    if (bans.length === 0) return 'There are no bans'
    return [
      `There are ${bans.length} ban(s):`,
      ...bans.map(entry => `${entry.name ?? entry.ip} was banned by ${entry.source ?? '(Unknown)'}: ${entry.reason ?? 'no reason given'}`)
    ]
  })
}

/** Who a name stands for: a player who is here, else the name itself, or with `online-mode` whose account it is. */
function knowAccounts (server, settings) {
  const online = name => server.players.find(player => player.username.toLowerCase() === name.toLowerCase())
  const mustBeName = name => {
    if (!PLAYER_NAME.test(name)) throw new UserError('That player does not exist')
  }
  return {
    online,
    /** What says of an entry whether it is theirs, without asking anybody. */
    known (name) {
      mustBeName(name)
      const player = online(name)
      return player ? isAccount(player.uuid, name) : isNamed(name)
    },
    async of (name) {
      mustBeName(name)
      const player = online(name)
      if (player) return { uuid: player.uuid, name: player.username }
      if (settings.truth('online-mode', false)) return askForAccount(name)
      return { uuid: offlineUuid(name), name }
    }
  }
}

/** Ask the game's makers for the account of that name, as the game itself does at a login. */
async function askForAccount (name) {
  let account
  try {
    const reply = await fetch(ACCOUNTS + name, { signal: AbortSignal.timeout(ACCOUNTS_TIMEOUT_MS) })
    if (reply.status === 404 || reply.status === 204) throw new UserError('That player does not exist')
    account = await reply.json()
  } catch (error) {
    if (error.userError) throw error
    throw new UserError(`Nobody can be asked for the account ${name}: ${error.cause?.message ?? error.message}`)
  }
  if (!/^[0-9a-f]{32}$/i.test(account.id) || !PLAYER_NAME.test(account.name)) throw new UserError('That player does not exist')
  return { uuid: dashed(account.id), name: account.name }
}

/** The UUID of a player whose account nobody verifies. */
function offlineUuid (name) {
  const digest = createHash('md5').update(`OfflinePlayer:${name}`).digest()
  digest[6] = (digest[6] & 0x0f) | 0x30 // version 3
  digest[8] = (digest[8] & 0x3f) | 0x80
  return dashed(digest.toString('hex'))
}

function dashed (hex) {
  return hex.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function isNamed (name) {
  return entry => String(entry.name).toLowerCase() === name.toLowerCase()
}

function isAccount (uuid, name) {
  return entry => isNamed(name)(entry) || String(entry.uuid).toLowerCase() === uuid.toLowerCase()
}

/** An address as it is always written, however this one is; null when it is none. */
function plainAddress (text) {
  const family = { 4: 'ipv4', 6: 'ipv6' }[net.isIP(String(text))]
  if (!family) return null
  const [address] = text.split('%') // without the name of an interface
  return new net.SocketAddress({ address, family }).address.replace(/^::ffff:(?=\d+\.)/, '')
}

function isAddress (one, other) {
  const address = plainAddress(one)
  return address !== null && address === plainAddress(other)
}

function banned (reason) {
  return `You are banned from this server: ${reason}`
}

/**
 * What `tick query` answers. All that the game does, it does on one thread: a tick's work is the time for which that
 * thread had something to do, from one tick to the next.
 */
function measureTicks (server) {
  const target = 1000 / TICKS_PER_SECOND
  const works = []
  let before
  server.on('tick', () => {
    const now = performance.eventLoopUtilization()
    if (before) works.push(performance.eventLoopUtilization(now, before).active)
    if (works.length > TICKS_KEPT) works.shift()
    before = now
  })
  return () => {
    if (works.length === 0) return 'The game has not run a whole tick yet'
    const sorted = [...works].sort((one, other) => one - other)
    const average = sorted.reduce((sum, work) => sum + work) / sorted.length
    const percentile = share => sorted[Math.ceil(share * sorted.length) - 1].toFixed(1)
    return [
      average > target ? 'The game is running, but can\'t keep up with the target tick rate' : 'The game is running normally',
      `Target tick rate: ${TICKS_PER_SECOND.toFixed(1)} per second (${target.toFixed(1)} ms/tick)`,
      `Average time per tick: ${average.toFixed(1)}ms (Target: ${target.toFixed(1)}ms)`,
      `Percentiles: P50: ${percentile(0.5)}ms P95: ${percentile(0.95)}ms P99: ${percentile(0.99)}ms, sample: ${sorted.length}`
    ]
  }
}

/** The entries of a player list, none when there is no such file or it cannot be read. */
function readList (file) {
  try {
    return readListToChange(file).filter(isEntry)
  } catch (error) {
    console.log(`[WARN]: ${error.message}`)
    return []
  }
}

/** Whatever a player list holds, none when there is no such file; what cannot be read is not to be written over. */
function readListToChange (file) {
  let entries
  try {
    entries = JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw new UserError(`${file} cannot be read: ${error.message}`)
  }
  if (!Array.isArray(entries)) throw new UserError(`${file} cannot be read: it is no list`)
  return entries
}

function isEntry (value) {
  return value !== null && typeof value === 'object'
}

/** Put an entry on a list unless one that `matches` is on it; return whether it was put there. */
function putOnList (file, matches, entry) {
  const entries = readListToChange(file)
  if (entries.filter(isEntry).some(matches)) return false
  writeWhole(file, JSON.stringify([...entries, entry], null, 2) + '\n')
  return true
}

/** Take what `matches` off a list; return the first that was on it, undefined when there was none. */
function takeOffList (file, matches) {
  const entries = readListToChange(file)
  const theirs = entries.filter(entry => isEntry(entry) && matches(entry))
  if (theirs.length > 0) writeWhole(file, JSON.stringify(entries.filter(entry => !theirs.includes(entry)), null, 2) + '\n')
  return theirs[0]
}

/** Write a file of the working directory so that whoever reads it sees the old one or the new one, never a part. */
function writeWhole (file, text) {
  const draft = `.${file}.${process.pid}.tmp`
  try {
    fs.rmSync(draft, { force: true })
    const opened = fs.openSync(draft, 'wx')
    try {
      fs.writeFileSync(opened, text)
      fs.fsyncSync(opened)
    } finally {
      fs.closeSync(opened)
    }
    fs.renameSync(draft, file)
  } catch (error) {
    fs.rmSync(draft, { force: true })
    throw new UserError(`${file} cannot be written: ${error.message}`)
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
    turn (name, on) {
      const old = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
      const line = new RegExp(`^([ \\t]*${name}[ \\t]*[=:][ \\t]*).*$`, 'gm')
      const end = old === '' || old.endsWith('\n') ? '' : '\n'
      writeWhole(file, old.search(line) < 0 ? `${old}${end}${name}=${on}\n` : old.replace(line, `$1${on}`))
      values.set(name, String(on))
    },
    choice: (name, choices, otherwise) => choices.includes(get(name)) ? choices.indexOf(get(name)) : otherwise,
    seed: name => /^-?\d{1,15}$/.test(get(name, '')) ? Number(get(name)) : undefined
  }
}

function unescapeProperty (_, code, letter) {
  if (code) return String.fromCharCode(parseInt(code, 16))
  return { n: '\n', r: '\r', t: '\t', f: '\f' }[letter] ?? letter
}
