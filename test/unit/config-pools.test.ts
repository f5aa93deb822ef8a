import { expect, test } from 'vitest'
import { resolveConfig } from '../../src/config/resolve.js'
import { type Changes, changed, issuesOf, refusedByReadersOnly } from '../helpers/config-issues.js'

const web = 'pools.web'
const wrong: [string, Changes, string, RegExp][] = [
  ['a weight of 0', { [`${web}.nodes.1.weight`]: 0 }, `${web}.nodes[1].weight`, /from 1 to 1000/],
  ['a misspelt weight', { [`${web}.nodes.1.wieght`]: 2 }, `${web}.nodes[1].wieght`, /'weight'/],
  ['an unknown check', { [`${web}.check`]: { kind: 'ping' } }, `${web}.check.kind`, /tcp, http/],
  ['a check that is none', { [`${web}.check`]: 'tcp' }, `${web}.check`, /make it an object/],
  [
    'a check too often',
    { [`${web}.check`]: { kind: 'tcp', intervalMs: 1 } },
    `${web}.check.intervalMs`,
    /from 100/,
  ],
  [
    'a misspelt key of a check',
    { [`${web}.check`]: { kind: 'tcp', interval: 1 } },
    `${web}.check.interval`,
    /'intervalMs'/,
  ],
  [
    'a path for tcp',
    { [`${web}.check`]: { kind: 'tcp', path: '/' } },
    `${web}.check.path`,
    /'http'/,
  ],
  ['no path', { [`${web}.check`]: { kind: 'http', path: 'a b' } }, `${web}.check.path`, /health/],
  [
    'no status',
    { [`${web}.check`]: { kind: 'http', status: [299, 200] } },
    `${web}.check.status`,
    /200/,
  ],
  ['no body', { [`${web}.check`]: { kind: 'http', body: 7 } }, `${web}.check.body`, /contains/],
  ['no function', { [`${web}.check`]: { kind: 'function' } }, `${web}.check.run`, /signal/],
  ['no number of refusals', { [`${web}.passive`]: { fall: 0 } }, `${web}.passive.fall`, /from 1/],
  [
    'a fallback that is not there',
    { [`${web}.fallback`]: 'api' },
    `${web}.fallback`,
    /take one of: web/,
  ],
  ['a fallback to itself', { [`${web}.fallback`]: 'web' }, `${web}.fallback`, /leads back/],
  [
    'a fallback of the other family',
    { 'pools.six': { nodes: ['[2001:db8:1::11]:80'] }, [`${web}.fallback`]: 'six' },
    `${web}.fallback`,
    /IPv6 nodes/,
  ],
  [
    'a limit of none',
    { 'virtualServers.site.connectionLimit': 0 },
    'virtualServers.site.connectionLimit',
    /from 1/,
  ],
]

test.each(wrong)('%s is told with key and remedy', (_, changes, key, words) => {
  const { problem, remedy } = issuesOf(changed(changes))[key] ?? {}
  expect(`${problem}; ${remedy}`).toMatch(words)
})

test('LB-10 a pool has its defaults; a function is short for a check', () => {
  const run = () => true
  const settings = (check: unknown) =>
    resolveConfig(changed({ 'pools.web.check': check })).pools[0].check
  const times = { intervalMs: 2000, timeoutMs: 1000, rise: 2, fall: 3 }
  expect(settings(undefined)).toBeUndefined()
  expect(settings(run)).toEqual({ how: { kind: 'function', run }, ...times })
  expect(settings({ kind: 'tcp', fall: 5 })).toEqual({ how: { kind: 'tcp' }, ...times, fall: 5 })
  const http = { kind: 'http', path: '/', host: undefined, body: undefined }
  expect(settings({ kind: 'http', status: 204 })).toEqual({
    how: { ...http, status: { first: 204, last: 204 } },
    ...times,
  })
  expect(settings({ kind: 'http' })?.how).toEqual({ ...http, status: { first: 200, last: 399 } })
})

test('JSON Schema refuses what a single value has wrong, but for arithmetic', () => {
  expect(refusedByReadersOnly(wrong)).toEqual(['no status'])
})
