// A real player of Minecraft: Java Edition, as far as a server can tell: logs in, answers, stands where it is put.
'use strict'

const { createClient } = require('minecraft-protocol')

/** Join and report to tell(event, fields); returns the protocol client. Spawned is who got a position, then a health. */
exports.join = function join ({ host, port, name, version }, tell) {
  const quiet = { hideErrors: true, validateChannelProtocol: false } // the latter would cost 0.2 s for each player
  const client = createClient({ host, port: Number(port), username: name, version, auth: 'offline', ...quiet })
  let position = null
  let spawned = false
  client.on('login', () => tell('login'))
  client.on('position', ({ x, y, z, teleportId }) => {
    if (teleportId !== undefined) client.write('teleport_confirm', { teleportId })
    const flags = { onGround: false, hasHorizontalCollision: false }
    client.write('position_look', { x, y, z, yaw: 0, pitch: 0, onGround: false, flags })
    position = { x, y, z }
  })
  client.on('update_health', () => {
    if (!spawned && position) tell('spawn', position)
    spawned ||= position !== null
  })
  client.on('systemChat', said => tell('chat', { text: plainText(said.formattedMessage) }))
  client.on('playerChat', said => tell('chat', { text: plainText(said.formattedMessage ?? said.plainMessage) }))
  for (const packet of ['disconnect', 'kick_disconnect']) client.on(packet, ({ reason }) => tell('kicked', { reason: plainText(reason) }))
  client.on('error', error => tell('error', { message: String(error.message ?? error) }))
  client.on('end', reason => tell('end', { reason: String(reason) }))
  return client
}

/** The words of a chat component, given as JSON text, as NBT or as an object. */
function plainText (component) {
  if (component === null || component === undefined) return ''
  if (typeof component === 'string') {
    try {
      return plainText(JSON.parse(component))
    } catch {
      return component
    }
  }
  if (typeof component !== 'object') return String(component)
  if (Array.isArray(component)) return component.map(plainText).join('')
  if ('type' in component && 'value' in component) return plainText(component.value) // NBT: {type, value}
  return ['text', 'translate', 'with', 'extra'].map(key => plainText(component[key])).join('')
}
