import { isIPv6, SocketAddress } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  contains,
  familyAt,
  formatAddress,
  formatEndpoint,
  networkOf,
  parseAddress,
  parseEndpoint,
  parsePrefix,
} from '../../src/bus/address.js'

const canonical: [string, string][] = [
  ['192.0.2.10', '192.0.2.10'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:0db8::0001', '2001:db8::1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['fe80::', 'fe80::'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['::ffff:192.0.2.10', '192.0.2.10'],
  ['::ffff:c000:20a', '192.0.2.10'],
]

describe('addresses', () => {
  test.each(canonical)('SSMB-28 %s is written %s (RFC 5952)', (text, expected) => {
    const bytes = parseAddress(text)
    expect(bytes && formatAddress(bytes)).toBe(expected)
    expect(bytes && familyAt(bytes)).toBe(expected.includes(':') ? 6 : 4)
  })

  test.each([
    '',
    '1.2.3',
    '256.1.1.1',
    '1.2.3.4.5',
    '01.2.3.4',
    ':::',
    '1::2::3',
    'g::',
    'fe80::1%eth0',
    '1.2.3.4/24',
    ' 1.2.3.4',
    'localhost',
  ])('%j is no address', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })

  test('SSMB-28 an IPv4 address stands on the bus as ::ffff:a.b.c.d', () => {
    expect(Buffer.from(parseAddress('192.0.2.10') ?? []).toString('hex')).toBe(
      '00000000000000000000ffffc000020a',
    )
  })

  test('any 16 bytes come back from their text, and Node reads it as the same address', () => {
    const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 })
    // Runs of zeros are what RFC 5952 is about: make them likely.
    const zeroed = fc
      .tuple(bytes16, fc.array(fc.nat(7), { maxLength: 8 }))
      .map(([bytes, groups]) => {
        for (const group of groups) bytes.fill(0, group * 2, group * 2 + 2)
        return bytes
      })
    fc.assert(
      fc.property(zeroed, (bytes) => {
        const text = formatAddress(bytes)
        expect(parseAddress(text)).toEqual(bytes)
        if (!isIPv6(text)) return
        expect(text).toMatch(/^(?!.*(^|:)0[0-9a-f])[0-9a-f:]+$/)
        const node = new SocketAddress({ address: text, family: 'ipv6' }).address
        if (!node.includes('.')) expect(text).toBe(node)
      }),
    )
  })
})

describe('endpoints', () => {
  test.each([
    ['192.0.2.100:80', { address: '192.0.2.100', port: 80, family: 4 }],
    ['[2001:DB8::1]:65535', { address: '2001:db8::1', port: 65535, family: 6 }],
  ])('%s', (text, expected) => {
    expect(parseEndpoint(text)).toEqual(expected)
  })

  test.each([
    '192.0.2.1',
    '192.0.2.1:',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    '192.0.2.1:80x',
    '2001:db8::1:80',
    '[192.0.2.1]:80',
    '[2001:db8::1]',
    '2001:db8::1',
    'host:80',
    ':80',
    '[]:80',
    '[fe80::1%a]:80',
  ])('%j is no endpoint', (text) => {
    expect(parseEndpoint(text)).toBeUndefined()
  })

  test.each(['192.0.2.1:80', '[2001:db8::1]:80'])('%s is written as it is read', (text) => {
    const endpoint = parseEndpoint(text)
    expect(endpoint && formatEndpoint(endpoint)).toBe(text)
  })
})

describe('prefixes', () => {
  test.each([
    ['192.0.2.77/24', '192.0.2.0'],
    ['192.0.2.77/32', '192.0.2.77'],
    ['192.0.2.77/0', '0.0.0.0'],
    ['192.0.2.255/29', '192.0.2.248'],
    ['2001:db8:ffff::1/36', '2001:db8:f000::'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['2001:db8::1/0', '::'],
  ])('the network of %s is %s', (text, network) => {
    const prefix = parsePrefix(text)
    expect(prefix && networkOf(prefix)).toBe(network)
  })

  test.each([
    '192.0.2.1',
    '192.0.2.1/33',
    '2001:db8::1/129',
    '/24',
    '192.0.2.1/-1',
    '::ffff:1.2.3.4/24',
  ])('%j is no prefix', (text) => {
    expect(parsePrefix(text)).toBeUndefined()
  })

  test.each([
    ['192.0.2.0/24', '192.0.2.255', 4, true],
    ['192.0.2.0/24', '192.0.3.0', 4, false],
    ['0.0.0.0/0', '203.0.113.9', 4, true],
    ['2001:db8::/32', '2001:db8:ffff::1', 6, true],
    ['2001:db8::/32', '2001:db9::1', 6, false],
    ['::/0', '192.0.2.1', 4, false],
  ] as const)('%s contains %s: %#', (text, address, family, expected) => {
    const prefix = parsePrefix(text)
    expect(prefix && contains(prefix, address, family)).toBe(expected)
  })
})
