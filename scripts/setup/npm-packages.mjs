import { lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Whether node_modules holds what package-lock.json asks for, by npm's own record of what it put
 * there. A node_modules that is a link belongs to another clone and is left alone.
 */
export function packagesAreCurrent(root) {
  const folder = join(root, 'node_modules')
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return true
  const wanted = readPackages(join(root, 'package-lock.json'))
  const present = readPackages(join(folder, '.package-lock.json'))
  if (!wanted || !present) return false
  const currentOrOptional = ([path, { version, optional }]) =>
    path === '' || (present[path] ? present[path].version === version : optional === true)
  return Object.entries(wanted).every(currentOrOptional)
}

function readPackages(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages
  } catch {
    return undefined
  }
}
