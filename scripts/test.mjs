/**
 * `npm test`: every test that this machine allows. A plain user's tests run as root of a user
 * namespace where the host allows one, so that they can lay laboratories too; elsewhere those that
 * need one are skipped, and say so.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ensurePrivileges, LaboratoryError } from '../dist/index.js'

try {
  await ensurePrivileges() // where it has to enter a namespace, this process ends here
} catch (error) {
  if (!(error instanceof LaboratoryError)) throw error
}

const vitest = join(import.meta.dirname, '../node_modules/vitest/vitest.mjs')
const { status } = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  stdio: 'inherit',
})
process.exitCode = status ?? 1
