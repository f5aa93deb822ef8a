import { describe, expect, test } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.js'
import {
  base,
  type Changes,
  changed,
  issuesOf,
  refusedByReadersOnly,
} from '../helpers/config-issues.js'

const policy = () => 'web'
const service = () => {}
const site = 'virtualServers.site'
/** A service in the place of the pool. */
const served = { [`${site}.pool`]: undefined, [`${site}.service`]: service }
const ported = 'ports.outside'

const wrong: [string, Changes, string, RegExp][] = [
  ['no ports', { ports: undefined }, 'ports', /missing/],
  ['no port', { ports: {} }, 'ports', /at least one/],
  ['a misspelt key', { virtualServer: {} }, 'virtualServer', /did you mean 'virtualServers'/],
  ['a misspelt key of a port', { [`${ported}.adress`]: 1 }, `${ported}.adress`, /mean 'address'/],
  ['a misspelt limit', { 'limits.flow': 4 }, 'limits.flow', /did you mean 'flows'/],
  [
    'a misspelt key of a node',
    { 'pools.web.nodes.1': { adress: 1 } },
    'pools.web.nodes[1].adress',
    /mean 'address'/,
  ],
  ['a misspelt key of a route', { 'routes.0.gateway': 'x' }, 'routes[0].gateway', /to, via/],
  ['an unknown key', { colour: 'red' }, 'colour', /the keys here are ports/],
  ['an unknown kind', { [`${ported}.kind`]: 'veth' }, `${ported}.kind`, /tap, packet, xdp, memory/],
  ['no kind', { [`${ported}.kind`]: undefined }, `${ported}.kind`, /missing/],
  ['no address', { [`${ported}.address`]: undefined }, `${ported}.address`, /missing/],
  ['one port to bridge', { forward: 'bridge', 'ports.inside': undefined }, 'ports', /two ports/],
  ['no prefix', { [`${ported}.address`]: '192.0.2.1' }, `${ported}.address`, /192\.0\.2\.1\/24/],
  ['one bad address', { 'ports.inside.address.1': 'x' }, 'ports.inside.address[1]', /2001:db8/],
  ['a bad device', { [`${ported}.device`]: 'a/b' }, `${ported}.device`, /15 characters/],
  [
    'a name too long for a device',
    { 'ports.averyveryverylongname': { kind: 'tap', address: '198.51.100.1/24' } },
    'ports.averyveryverylongname.device',
    /missing/,
  ],
  ['a multicast MAC', { [`${ported}.mac`]: '01:00:00:00:00:01' }, `${ported}.mac`, /02:00/],
  ['an MTU out of bounds', { [`${ported}.mtu`]: 100 }, `${ported}.mtu`, /576 to 65535/],
  ['an MTU too small for IPv6', { 'ports.inside.mtu': 1000 }, 'ports.inside.mtu', /1280/],
  ['a VLAN that is reserved', { [`${ported}.vlan`]: 4095 }, `${ported}.vlan`, /1 to 4094/],
  ['three VLANs', { [`${ported}.vlan`]: [1, 2, 3] }, `${ported}.vlan`, /outer and an inner/],
  ['a bad name', { 'ports.1st': base.ports.outside }, 'ports.1st', /letter/],
  [
    'hostAddress without tap',
    { [`${ported}.hostAddress`]: '192.0.2.2/24' },
    `${ported}.hostAddress`,
    /tap/,
  ],
  [
    'hostAddress elsewhere',
    { 'ports.inside.hostAddress': '10.9.0.1/24' },
    'ports.inside.hostAddress',
    /network/,
  ],
  ['one device twice', { 'ports.inside.device': 'eth0' }, 'ports.inside.device', /outside/],
  [
    'one address twice',
    { 'ports.inside.address.2': '192.0.2.1/24' },
    'ports.inside.address',
    /ports\.outside/,
  ],
  ['no network in a route', { 'routes.0.to': 'default' }, 'routes[0].to', /0\.0\.0\.0\/0/],
  [
    'host bits in a route',
    { 'routes.0.to': '203.0.113.7/24' },
    'routes[0].to',
    /'203\.0\.113\.0\/24'/,
  ],
  ['a next hop on no link', { 'routes.0.via': '203.0.113.1' }, 'routes[0].via', /link/],
  ['a next hop of another family', { 'routes.0.to': '::/0' }, 'routes[0].via', /IPv6/],
  ['the engine as next hop', { 'routes.0.via': '192.0.2.1' }, 'routes[0].via', /engine/],
  ['no nodes', { 'pools.web.nodes': [] }, 'pools.web.nodes', /at least one/],
  [
    'a node on port 0',
    { 'pools.web.nodes.0': '10.1.0.11:0' },
    'pools.web.nodes[0]',
    /10\.1\.0\.11:80/,
  ],
  [
    'a node without brackets',
    { 'pools.web.nodes.0': '2001:db8:1::11:80' },
    'pools.web.nodes[0]',
    /\[2001/,
  ],
  [
    'a node without brackets, nor a port',
    { 'pools.web.nodes.0': '2001:db8:1::11' },
    'pools.web.nodes[0]',
    /\[2001/,
  ],
  [
    'a check of a port where there is none',
    { 'pools.web.nodes.0': '10.1.0.11', 'pools.web.check': { kind: 'tcp' } },
    'pools.web.check',
    /kind 'tcp' connects to a port/,
  ],
  ['a node twice', { 'pools.web.nodes.0': '10.1.0.12:80' }, 'pools.web.nodes[1]', /twice/],
  [
    'nodes of two families',
    { 'pools.web.nodes.1': '[2001:db8:1::11]:80' },
    'pools.web.nodes[1]',
    /family/,
  ],
  [
    'a node without route',
    { 'pools.web.nodes.0': '203.0.113.1:80', routes: [] },
    'pools.web.nodes[0]',
    /route/,
  ],
  ['the engine as node', { 'pools.web.nodes.0': '10.1.0.1:80' }, 'pools.web.nodes[0]', /engine/],
  [
    'an unknown algorithm',
    { 'pools.web.balance': 'weighted' },
    'pools.web.balance',
    /'least-connections'/,
  ],
  [
    'an unknown hash',
    { 'pools.web.balance': { hash: 'moon' } },
    'pools.web.balance.hash',
    /'source'/,
  ],
  [
    'a hash with more',
    { 'pools.web.balance': { hash: 'source', x: 1 } },
    'pools.web.balance',
    /hash/,
  ],
  ['no listen', { [`${site}.listen`]: undefined }, `${site}.listen`, /missing/],
  ['no protocol', { [`${site}.listen`]: '192.0.2.100:80' }, `${site}.listen`, /tcp:\/\//],
  [
    'another protocol',
    { [`${site}.listen`]: 'http://192.0.2.100:80' },
    `${site}.listen`,
    /icmp:\/\//,
  ],
  [
    'one endpoint twice',
    { 'virtualServers.other': base.virtualServers.site },
    'virtualServers.other.listen',
    /virtualServers\.site/,
  ],
  ['no such pool', { [`${site}.pool`]: 'wep' }, `${site}.pool`, /one of: web/],
  [
    'a pool of another family',
    { [`${site}.listen`]: 'tcp://[2001:db8::1]:80' },
    `${site}.pool`,
    /family/,
  ],
  ['no way to decide', { [`${site}.pool`]: undefined }, site, /one of pool, policy and service/],
  ['two ways to decide', { [`${site}.policy`]: policy }, site, /one of pool, policy and service/],
  ['a service beside a pool', { [`${site}.service`]: service }, site, /one of pool/],
  ['a service that is none', { [`${site}.service`]: 'echo' }, `${site}.service`, /function/],
  [
    'a service of SCTP',
    { ...served, [`${site}.listen`]: 'sctp://192.0.2.100:53' },
    `${site}.listen`,
    /tcp.*udp/,
  ],
  [
    '2MSL of datagrams',
    {
      ...served,
      [`${site}.listen`]: 'udp://192.0.2.100:53',
      [`${site}.timeWaitMs`]: 5000,
    },
    `${site}.timeWaitMs`,
    /take it out/,
  ],
  [
    'what packets have, and streams have not',
    { ...served, [`${site}.snat`]: '10.1.0.5' },
    `${site}.snat`,
    /take it out/,
  ],
  ['2MSL without connections', { [`${site}.timeWaitMs`]: 5000 }, `${site}.timeWaitMs`, /service/],
  ['too short a 2MSL', { ...served, [`${site}.timeWaitMs`]: 999 }, `${site}.timeWaitMs`, /choose/],
  [
    'windows that are none',
    { 'limits.bufferMemory': '1MiB', 'limits.windowsFor': 100 },
    'limits.windowsFor',
    /56 at most/,
  ],
  ['a size that is none', { 'limits.bufferMemory': '64 MB' }, 'limits.bufferMemory', /64MiB/],
  ['a policy that is none', { [`${site}.policy`]: 'web' }, `${site}.policy`, /function/],
  ['a fallback without policy', { [`${site}.fallback`]: 'web' }, `${site}.fallback`, /policy/],
  [
    'a fallback that is none',
    { [`${site}.fallback`]: { reject: 'x' } },
    `${site}.fallback`,
    /reject/,
  ],
  [
    'LB-19 a fallback that wants more',
    { [`${site}.policy`]: policy, [`${site}.fallback`]: { more: true } },
    `${site}.fallback`,
    /name a pool/,
  ],
  [
    'no such fallback',
    { [`${site}.policy`]: policy, [`${site}.fallback`]: { node: '10.1.0.99:80' } },
    `${site}.fallback`,
    /node of a pool/,
  ],
  [
    'no such fallback pool',
    { [`${site}.policy`]: policy, [`${site}.fallback`]: 'wep' },
    `${site}.fallback`,
    /one of: web/,
  ],
  [
    'listening where a node is',
    { [`${site}.listen`]: 'tcp://10.1.0.11:80' },
    `${site}.listen`,
    /node.*arp: false/,
  ],
  ['listening on no port', { [`${site}.listen`]: 'tcp://192.0.2.100:0' }, `${site}.listen`, /Port/],
  ['listening on any address', { [`${site}.listen`]: 'tcp://[::]:1' }, `${site}.listen`, /Addre/],
  [
    'one wildcard twice',
    {
      [site]: { listen: 'tcp://0.0.0.0:80', pool: 'web', wildcardAddress: true },
      'virtualServers.other': { listen: 'tcp://192.0.2.7:80', pool: 'web', wildcardAddress: true },
    },
    'virtualServers.other.listen',
    /site/,
  ],
  [
    'a next hop on no link',
    { 'pools.web.nodes.1.nextHop': '10.9.0.1' },
    'pools.web.nodes[1].nextHop',
    /link of no port/,
  ],
  [
    'a next hop of the other family',
    { 'pools.web.nodes.1.nextHop': '2001:db8:1::9' },
    'pools.web.nodes[1].nextHop',
    /IPv4/,
  ],
  [
    'a next hop that is the engine',
    { 'pools.web.nodes.1.nextHop': '10.1.0.1' },
    'pools.web.nodes[1].nextHop',
    /address of the engine/,
  ],
  [
    'listening on the host',
    { 'ports.inside.hostAddress': '10.1.0.254/24', [`${site}.listen`]: 'tcp://10.1.0.254:80' },
    `${site}.listen`,
    /host/,
  ],
  ['snat of the other family', { [`${site}.snat`]: '2001:db8:1::5' }, `${site}.snat`, /IPv4/],
  ['snat of a node', { [`${site}.snat`]: ['10.1.0.5', '10.1.0.11'] }, `${site}.snat`, /node/],
  ['snat twice', { [`${site}.snat`]: ['10.1.0.5', '10.1.0.5'] }, `${site}.snat`, /twice/],
  ['snat of a router', { [`${site}.snat`]: '192.0.2.254' }, `${site}.snat`, /router/],
  ['snat of no address', { [`${site}.snat`]: 'me' }, `${site}.snat`, /10\.1\.0\.5/],
  ['snat that is a switch', { [`${site}.snat`]: true }, `${site}.snat`, /object/],
  [
    'low ports of snat',
    { [`${site}.snat`]: { addresses: '10.1.0.5', ports: [80, 90] } },
    `${site}.snat.ports`,
    /1024/,
  ],
  [
    'a misspelt key of snat',
    { [`${site}.snat`]: { addresses: '10.1.0.5', port: 1 } },
    `${site}.snat.port`,
    /mean 'ports'/,
  ],
  [
    'snat and the client preserved',
    { [`${site}.snat`]: '10.1.0.5', [`${site}.preserveClient`]: true },
    `${site}.preserveClient`,
    /snat/,
  ],
  [
    'snat without translation',
    { [`${site}.preserveClient`]: false, [`${site}.translateAddress`]: false },
    `${site}.translateAddress`,
    /source/,
  ],
  [
    'several addresses to leave from',
    {
      [`${site}.preserveClient`]: false,
      'ports.inside.address.2': '10.2.0.1/24',
      'pools.web.nodes.2': '10.2.0.11:80',
    },
    `${site}.preserveClient`,
    /snat/,
  ],
  ['a time-out too short', { 'timeouts.udpMs': 0 }, 'timeouts.udpMs', /whole number/],
  ['a time-out in words', { 'timeouts.udpMs': '2m' }, 'timeouts.udpMs', /whole number/],
  ['forward in words', { forward: 'yes' }, 'forward', /true, false, bridge/],
  ['SYN cookies now and then', { synCookies: 'often' }, 'synCookies', /auto, always, never/],
  ['a list for an object', { pools: [] }, 'pools', /object/],
]

const manyPorts = Object.fromEntries(
  Array.from({ length: 17 }, (_, i) => [
    `p${i}`,
    { kind: 'memory', address: [`10.9.${i}.1/24`, `2001:db8:9:${i}::1/64`] },
  ]),
)

test('65 001 virtual servers are one too many', () => {
  const servers = Array.from({ length: 65_001 }, (_, i) => [`s${i}`, base.virtualServers.site])
  expect(issuesOf(changed({ virtualServers: Object.fromEntries(servers) }))).toEqual({
    virtualServers: {
      key: 'virtualServers',
      problem: 'has 65001 entries',
      remedy: 'name at most 65000',
    },
  })
})

test.each([
  ['workers', { workers: 33 }, 'is not a whole number from 1 to 32'],
  ['cpus[1]', { workers: 2, cpus: [0, -1] }, 'is not a whole number from 0 to 1023'],
  ['cpus', { workers: 2, cpus: [0] }, 'has 1 entries for 2 workers'],
  [
    'ports.outside.kind',
    { workers: 2, 'ports.outside.kind': 'xdp' },
    'is xdp, which one worker serves',
  ],
])('%s of workers', (key, changes, problem) => {
  expect(issuesOf(changed(changes))[key]?.problem).toBe(problem)
})

test('17 ports are one too many', () => {
  const sixteen = Object.fromEntries(Object.entries(manyPorts).slice(1))
  expect(() => resolveConfig({ ports: sixteen })).not.toThrow()
  expect(issuesOf({ ports: manyPorts }).ports).toEqual({
    key: 'ports',
    problem: 'has 17 entries',
    remedy: 'name at most 16 ports',
  })
})

describe('what is wrong is told with key and remedy', () => {
  test.each(wrong)('%s', (_name, changes, key, text) => {
    const issues = issuesOf(changed(changes))
    expect(Object.keys(issues)).toContain(key)
    expect(`${issues[key].problem}; ${issues[key].remedy}`).toMatch(text)
  })

  test.each([42, null, undefined, [], 'x'])('%j is no configuration', (config) => {
    expect(issuesOf(config)).toHaveProperty(['the configuration'])
  })

  test('every problem is told at once, in the order of the keys', () => {
    const changes = {
      'ports.outside.mtu': 1,
      'pools.web.nodes.0': 'x',
      'virtualServers.site.listen': 'y',
    }
    expect(Object.keys(issuesOf(changed(changes)))).toEqual([
      'ports.outside.mtu',
      'pools.web.nodes[0]',
      'virtualServers.site.listen',
    ])
  })

  test('the message is one sentence that names the keys', () => {
    expect(() => resolveConfig(changed({ colour: 'red' }), 'site.ts')).toThrow(
      'site.ts has a problem: colour is not a key that Sluice knows.',
    )
  })
})

const later: [string, Changes][] = [[`${ported}.queues`, { [`${ported}.queues`]: 4 }]]

describe('what later versions bring is refused by name', () => {
  test.each(later)('%s', (key, changes) => {
    expect(issuesOf(changed(changes))[key]?.problem).toBe('is not supported by this version yet')
  })
})

test('JSON Schema refuses what a single value has wrong, but for arithmetic', () => {
  expect(refusedByReadersOnly(wrong)).toEqual(['host bits in a route'])
})
