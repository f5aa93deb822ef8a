/** A configuration that is right, what a test changes in it, and what Sluice has to say of that. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'vitest'
import { configurationSchema } from '../../src/config/json-schema.js'
import { resolveConfig } from '../../src/config/resolve.js'
import { schema } from '../../src/config/schema.js'
import { type ConfigIssue, SluiceError } from '../../src/errors.js'

export const base = {
  ports: {
    outside: { kind: 'packet', device: 'eth0', address: '192.0.2.1/24' },
    inside: { kind: 'tap', address: ['10.1.0.1/24', '2001:db8:1::1/64'] },
  },
  routes: [{ to: '0.0.0.0/0', via: '192.0.2.254' }],
  pools: { web: { nodes: ['10.1.0.11:80', { address: '10.1.0.12:80' }] } },
  virtualServers: { site: { listen: 'tcp://192.0.2.100:80', pool: 'web' } },
}

export type Changes = Record<string, unknown>

/** The base with other values at these paths; undefined takes one out. */
export function changed(changes: Changes): unknown {
  const config = structuredClone(base)
  for (const [path, value] of Object.entries(changes)) {
    const parts = path.split('.')
    const last = parts.pop() as string
    let at = config as Record<string, unknown>
    for (const part of parts) {
      at[part] ??= {}
      at = at[part] as Record<string, unknown>
    }
    if (value === undefined) delete at[last]
    else at[last] = value
  }
  return config
}

/** The issues of a configuration, by key. */
export function issuesOf(config: unknown): Record<string, ConfigIssue> {
  try {
    resolveConfig(config)
  } catch (error) {
    expect(error).toBeInstanceOf(SluiceError)
    const { code, issues } = error as SluiceError
    expect(code).toBe('ERR_SLUICE_CONFIG')
    for (const { problem, remedy } of issues) expect([problem, remedy]).not.toContain('')
    return Object.fromEntries(issues.map((issue) => [issue.key, issue]))
  }
  throw new Error('the configuration is valid')
}

/** Names of those that the schema refuses and JSON Schema does not, once they are written in JSON. */
export function refusedByReadersOnly(
  wrong: readonly (readonly [string, Changes, ...unknown[]])[],
): string[] {
  const validates = new Ajv2020().compile(configurationSchema())
  const passed = wrong.filter(([, changes]) => {
    const config = JSON.parse(JSON.stringify(changed(changes)))
    return validates(config) && !schema.safeParse(config).success
  })
  return passed.map(([name]) => name)
}
