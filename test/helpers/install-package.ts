import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { contentHash } from '../../scripts/setup/content-hash.mjs'
import { root } from './repository.js'

const installed = join(root, 'out/installed')
const stamp = join(installed, 'content-hash')

/**
 * Packs the npm package and runs its install script as a user's machine would, with an empty HOME:
 * the addon is compiled by node-gyp from what the package carries, into out/installed.
 */
export default function installPackage(): void {
  const hash = contentHash(root, ['native', 'binding.gyp', 'package.json', 'scripts/install.mjs'])
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  rmSync(installed, { recursive: true, force: true })
  mkdirSync(join(installed, 'home'), { recursive: true })
  // From source even where the package carries a prebuilt addon.
  const env = {
    ...process.env,
    HOME: join(installed, 'home'),
    npm_config_build_from_source: 'true',
  }
  const run = (command: string, args: string[], cwd: string) =>
    execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const archive = run('npm', ['pack', '--silent', '--pack-destination', installed], root).trim()
  run('tar', ['-xzf', archive, '--strip-components=1'], installed)
  run(process.execPath, ['scripts/install.mjs'], installed)
  writeFileSync(stamp, hash)
}
