/** Builds of the core beside the developer's own: sanitizers and fuzzers. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Runs a program of the repository or of PATH; a failure ends this process with its code. */
export function run(command, args, options = {}) {
  const program = command.includes('/') ? join(root, command) : command
  const { status, error, stderr } = spawnSync(program, args, {
    cwd: root,
    stdio: 'inherit',
    encoding: 'utf8',
    ...options,
  })
  if (status === 0) return
  if (stderr) console.error(stderr.split('\n').slice(-60).join('\n'))
  console.error(`${command} failed: ${error?.message ?? `exit code ${status}`}`)
  process.exit(1)
}

/** Configures native/ in `folder` and builds the named targets, or everything. */
export function build(folder, options, targets = []) {
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
  run('cmake', ['-S', 'native', '-B', folder, '-G', 'Ninja', ...options], quiet)
  run('cmake', ['--build', folder, '-j', '2', ...targets.flatMap((name) => ['--target', name])])
}

/** The names of the fuzz targets: one for each test/fuzz/NAME.cc. */
export function fuzzTargets() {
  return namesIn('test/fuzz')
    .filter((name) => name.endsWith('.cc') && name !== 'replay_main.cc')
    .map((name) => name.slice(0, -'.cc'.length))
}

/** The inputs kept for a fuzz target. */
export function corpusFiles(target) {
  const folder = join('test/fuzz/corpus', target)
  return namesIn(folder).map((name) => join(folder, name))
}

function namesIn(folder) {
  return existsSync(join(root, folder)) ? readdirSync(join(root, folder)).sort() : []
}
