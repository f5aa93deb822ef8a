/** The key `admin` of a configuration. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { configurationSchema } from '../../src/config/json-schema.js'
import { restartKeys } from '../../src/config/reload.js'
import { resolveConfig } from '../../src/config/resolve.js'
import { type Changes, changed, issuesOf } from '../helpers/config-issues.js'

const files = { key: '/etc/a.key', cert: '/etc/a.pem', ca: '/etc/ca.pem' }
const withAdmin = (listen: unknown, more: Changes = {}) =>
  changed({ admin: { ...files, listen }, ...more })

test.each([
  '198.51.100.7:9443',
  '127.0.0.1:9443',
  '0.0.0.0:9443',
  '[::]:9443',
  '[2001:db8:9::1]:9443',
])('ARCH-13 the administration may listen on %s of the host', (listen) => {
  const config = withAdmin(listen)
  expect(new Ajv2020().compile(configurationSchema())(config)).toBe(true)
  const { admin } = resolveConfig(config)
  expect(admin).toMatchObject({ ...files, write: false })
  expect(admin?.listen).toHaveLength(1)
})

test('without it nobody listens on the network, and a running engine takes another one', () => {
  const without = resolveConfig(changed({}))
  expect(without.admin).toBe(undefined)
  expect(restartKeys(without, resolveConfig(withAdmin('127.0.0.1:9443')))).toEqual([])
})

describe('what is wrong is told with key and remedy', () => {
  const hostSide = { 'ports.inside.hostAddress': '10.1.0.254/24' }
  const snat = { 'virtualServers.site.snat': '10.1.0.5' }
  const [one, list] = ['admin.listen', 'admin.listen[0]']
  test.each([
    ['no port', '198.51.100.7', {}, one, /10\.1\.0\.254:9443/],
    ['port 0', '198.51.100.7:0', {}, one, /port/],
    ['a link-local address', '[fe80::1]:9443', {}, one, /link-local/],
    ['a multicast address', '224.0.0.1:9443', {}, one, /multicast/],
    ['no address', [], {}, one, /at least one/],
    ['an address of the engine', ['192.0.2.1:9443'], {}, list, /engine.*hostAddress/],
    ['that of a virtual server', ['192.0.2.100:9443'], {}, list, /engine/],
    ['one that flows leave from', ['10.1.0.5:9443'], snat, list, /engine/],
    ['the same twice', ['127.0.0.1:1', '127.0.0.1:1'], hostSide, 'admin.listen[1]', /twice/],
  ] as const)('%s', (_, listen, more, key, text) => {
    const issues = issuesOf(withAdmin(listen, more))
    expect(Object.keys(issues)).toEqual([key])
    expect(`${issues[key]?.problem}; ${issues[key]?.remedy}`).toMatch(text)
  })

  test('the host has its side of a tap', () => {
    expect(resolveConfig(withAdmin('10.1.0.254:9443', hostSide)).admin?.listen).toHaveLength(1)
  })

  test('every file has to be named', () => {
    const issues = issuesOf(changed({ admin: { listen: '127.0.0.1:9443', cert: '' } }))
    expect(Object.keys(issues)).toEqual(['admin.key', 'admin.cert', 'admin.ca'])
  })

  test('a misspelt key', () => {
    const issues = issuesOf(changed({ admin: { ...files, listens: '127.0.0.1:9443' } }))
    expect(issues['admin.listens']?.remedy).toBe("did you mean 'listen'?")
  })
})
