import { describe, expect, expectTypeOf, test } from 'vitest'
import { defineConfig, type SluiceConfig } from '../../src/config/config.js'
import { resolveConfig } from '../../src/config/resolve.js'

const base = {
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: '192.0.2.1/24' },
    inside: { kind: 'tap', address: ['10.1.0.1/24', '2001:db8:1::1/64'] },
  },
  pools: { web: { nodes: ['10.1.0.11:80', { address: '10.1.0.12:80' }] } },
  virtualServers: { site: { listen: 'tcp://192.0.2.100:80', pool: 'web' } },
} as const

describe('a valid configuration', () => {
  test('FLOWLIFE-07 the default time-outs are those of RFC 5382 and RFC 4787, or longer', () => {
    const { timeouts } = resolveConfig(base)
    expect(timeouts.tcpEstablishedMs).toBeGreaterThanOrEqual((2 * 60 + 4) * 60_000)
    expect(timeouts.tcpOpeningMs).toBeGreaterThanOrEqual(4 * 60_000)
    expect(timeouts.tcpClosingMs).toBeGreaterThanOrEqual(4 * 60_000)
    expect(timeouts.udpMs).toBeGreaterThanOrEqual(2 * 60_000)
  })

  test('has its defaults and everything parsed', () => {
    const config = resolveConfig(base)
    expect(
      config.ports.map(({ name, device, mtu, netns, mac }) => [name, device, mtu, netns, mac]),
    ).toEqual([
      ['outside', 'eth0', 1500, '', ''],
      ['inside', 'inside', 1500, '', ''],
    ])
    expect(config.pools[0]).toMatchObject({
      nodes: [
        { endpoint: { address: '10.1.0.11', port: 80, family: 4 }, weight: 1 },
        { endpoint: { address: '10.1.0.12', port: 80, family: 4 }, weight: 1 },
      ],
      balanceName: 'round-robin',
    })
    expect(config.virtualServers[0]).toMatchObject({
      protocol: 'tcp',
      listen: { address: '192.0.2.100', port: 80, family: 4 },
      decide: 'web',
      policyTimeoutMs: 250,
      fallback: { reject: 'reset' },
      idleTimeoutMs: 0,
    })
    expect(config.forward).toBe(true)
  })

  test('FLOWLIFE-07 FLOWLIFE-22 has time-outs not below those of RFC 5382 and RFC 4787', () => {
    const { timeouts } = resolveConfig(base)
    expect(timeouts.tcpEstablishedMs).toBeGreaterThanOrEqual(124 * 60_000)
    expect(timeouts.tcpOpeningMs).toBeGreaterThanOrEqual(4 * 60_000)
    expect(timeouts.tcpClosingMs).toBeGreaterThanOrEqual(4 * 60_000)
    expect(timeouts.udpMs).toBeGreaterThanOrEqual(2 * 60_000)
  })

  test('is taken as it is when it was resolved before', () => {
    const config = resolveConfig(base)
    expect(resolveConfig(config)).toBe(config)
  })

  test('needs a port and nothing else', () => {
    const config = resolveConfig({ ports: { a: { kind: 'memory', address: '192.0.2.1/24' } } })
    expect([config.pools, config.virtualServers, config.routes]).toEqual([[], [], []])
  })

  test('ARCH-09 a bridge needs two ports and no address; no port is internal unless it says so', () => {
    const { ports, forward } = resolveConfig({
      ports: {
        a: { kind: 'memory', address: '192.0.2.1/24' },
        b: { kind: 'memory' },
        c: { kind: 'memory', role: 'internal' },
      },
      pools: { web: { nodes: ['192.0.2.11:80'] } },
      forward: 'bridge',
    })
    expect(forward).toBe('bridge')
    expect(ports.map(({ internal }) => internal)).toEqual([false, false, true])
    expect(ports[1]?.addresses).toEqual([])
  })

  test('VS-01 may have TCP and UDP on one endpoint, and IPv4 and IPv6 side by side', () => {
    const { virtualServers } = resolveConfig({
      ...base,
      pools: { ...base.pools, six: { nodes: ['[2001:db8:1::11]:80'] } },
      virtualServers: {
        tcp: { listen: 'tcp://192.0.2.100:80', pool: 'web' },
        udp: { listen: 'udp://192.0.2.100:80', pool: 'web' },
        six: { listen: 'tcp://[2001:db8::100]:80', pool: 'six' },
      },
    })
    expect(virtualServers.map(({ protocol, listen }) => [protocol, listen.address])).toEqual([
      ['tcp', '192.0.2.100'],
      ['udp', '192.0.2.100'],
      ['tcp', '2001:db8::100'],
    ])
  })

  test('may listen on an address of a port', () => {
    const site = { listen: 'tcp://192.0.2.1:80', pool: 'web' }
    expect(() => resolveConfig({ ...base, virtualServers: { site } })).not.toThrow()
  })
})

describe('roles of ports', () => {
  const roles = (config: SluiceConfig) =>
    Object.fromEntries(resolveConfig(config).ports.map((port) => [port.name, port.internal]))

  test('SSMB-29 ARCH-08 the port towards the nodes is internal', () => {
    expect(roles(base)).toEqual({ outside: false, inside: true })
  })

  test('SSMB-29 nodes behind a router count for the port of the route, by longest prefix', () => {
    const config = {
      ...base,
      routes: [
        { to: '0.0.0.0/0', via: '192.0.2.254' },
        { to: '198.51.100.0/24', via: '10.1.0.254' },
      ],
      pools: { web: { nodes: ['198.51.100.7:80'] } },
    }
    expect(roles(config)).toEqual({ outside: false, inside: true })
  })

  test('ARCH-08 a single port is external', () => {
    const { ports, ...rest } = base
    expect(roles({ ...rest, ports: { inside: ports.inside } })).toEqual({ inside: false })
  })

  test('a role that is given holds', () => {
    const ports = { ...base.ports, inside: { ...base.ports.inside, role: 'external' as const } }
    expect(roles({ ...base, ports })).toEqual({ outside: false, inside: false })
  })
})

test('defineConfig gives policies their types: pool names are checked', () => {
  const config = defineConfig({
    ...base,
    virtualServers: {
      site: {
        listen: 'tcp://192.0.2.100:80',
        policy: (flow) => {
          expectTypeOf(flow.client.address).toEqualTypeOf<string>()
          expectTypeOf(flow.pools).toHaveProperty('web')
          return flow.pools.web.connections > 10 ? { reject: 'drop' } : 'web'
        },
      },
      // @ts-expect-error 'wep' is no pool
      wrong: { listen: 'tcp://192.0.2.100:81', pool: 'wep' },
    },
  })
  expect(config.virtualServers).toHaveProperty('site')
})
