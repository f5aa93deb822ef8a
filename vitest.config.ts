import { delimiter, resolve } from 'node:path'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const root = import.meta.dirname

// A plain user's PATH often lacks the sbin folders, where programs that tests run live.
process.env.PATH = [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter)

/** The kinds of tests, in the order in which they run: cheapest first. */
const order = [
  'rules',
  'unit',
  'native',
  'packets',
  'simulation',
  'inspect',
  'fuzz',
  'sanitize',
  'addon-cmake',
  'addon-gyp',
  'system',
  'flood',
]

function project(
  name: string,
  folder: string,
  options: TestProjectInlineConfiguration['test'] = {},
): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      name,
      include: [`test/${folder}/**/*.test.ts`],
      sequence: { groupOrder: order.indexOf(name) },
      ...options,
    },
  }
}

export default defineConfig({
  test: {
    root,
    // A native crash ends one process, hence one file.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 300_000,
    reporters: ['default', resolve(root, 'test/helpers/summary-reporter.ts')],
    projects: [
      project('rules', 'rules'),
      project('unit', 'unit'),
      project('native', 'native'),
      project('packets', 'packets'),
      project('simulation', 'simulation', { testTimeout: 300_000 }),
      project('inspect', 'inspect'),
      project('fuzz', 'fuzz'),
      project('sanitize', 'sanitize'),
      // What needs the addon runs through each of the two builds.
      project('addon-cmake', 'addon', {
        env: { SLUICE_PREBUILD: resolve(root, 'out/cmake') },
        exclude: ['test/addon/package.test.ts'],
      }),
      project('addon-gyp', 'addon', {
        env: { SLUICE_PREBUILD: resolve(root, 'out/installed') },
        globalSetup: 'test/helpers/install-package.ts',
      }),
      // Each file lays laboratories of its own, and waits for its peers most of the time.
      project('system', 'system', { maxWorkers: 3, testTimeout: 120_000 }),
      // All laboratories share the kernel's queues of what veth pairs deliver: behind all others, one by one.
      project('flood', 'flood', { maxWorkers: 1, testTimeout: 120_000 }),
    ],
  },
})
