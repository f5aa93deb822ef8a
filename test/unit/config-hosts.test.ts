import { describe, expect, test } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.js'
import { changed, issuesOf } from '../helpers/config-issues.js'

const site = 'virtualServers.site'

const noHosts: [string, RegExp][] = [
  ['0.0.0.0', /names no host/],
  ['127.0.0.1', /loopback/],
  ['224.0.0.1', /multicast/],
  ['255.255.255.255', /broadcast/],
  ['::', /names no host/],
  ['::1', /loopback/],
  ['ff02::1', /multicast/],
]
const noRoutedHosts: [string, RegExp][] = [...noHosts, ['fe80::1', /link-local/]]

const inBrackets = (address: string) => (address.includes(':') ? `[${address}]` : address)

describe('an address that is no single host is refused', () => {
  test.each(noHosts)('%s of a port, of the host, of a router', (address, text) => {
    const prefix = `${address}/${address.includes(':') ? 64 : 24}`
    for (const field of ['address', 'hostAddress']) {
      const key = `ports.inside.${field}`
      expect(issuesOf(changed({ [key]: prefix }))[key]?.problem).toMatch(text)
    }
    expect(issuesOf(changed({ 'routes.0.via': address }))['routes[0].via']?.problem).toMatch(text)
  })

  test.each(noRoutedHosts)('%s of a node, of a virtual server', (address, text) => {
    const endpoint = `${inBrackets(address)}:80`
    const node = issuesOf(changed({ 'pools.web.nodes.0': endpoint }))
    expect(node['pools.web.nodes[0]']?.problem).toMatch(text)
    const listen = issuesOf(changed({ [`${site}.listen`]: `tcp://${endpoint}` }))
    expect(listen[`${site}.listen`]?.problem).toMatch(text)
  })

  test.each([
    ['ports.inside.address', 'ports.inside.address', '10.1.0.255/24'],
    ['ports.inside.hostAddress', 'ports.inside.hostAddress', '10.1.0.255/24'],
    ['routes.0.via', 'routes[0].via', '192.0.2.255'],
    ['pools.web.nodes.0', 'pools.web.nodes[0]', '10.1.0.255:80'],
    [`${site}.listen`, `${site}.listen`, 'tcp://192.0.2.255:80'],
  ])('the broadcast address of a network: %s', (path, key, value) => {
    expect(issuesOf(changed({ [path]: value }))[key]?.problem).toMatch(/broadcast address/)
  })

  test('RFC 3021 both addresses of a /31 are hosts, and so is a link-local one', () => {
    const address = ['198.51.100.255/31', 'fe80::1/64']
    expect(() => resolveConfig(changed({ 'ports.third': { kind: 'tap', address } }))).not.toThrow()
  })
})
