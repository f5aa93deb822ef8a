import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The top folder of the repository. */
export const root = resolve(import.meta.dirname, '../..')

/** Paths, relative to the top folder, of the files under `folder` that end in one of `endings`. */
export function filesUnder(folder: string, ...endings: string[]): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .map((path) => join(folder, path))
    .sort()
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The lines of a file with their places, as `path:line`. */
export function numberedLines(path: string): { place: string; line: string }[] {
  return readText(path)
    .split('\n')
    .map((line, index) => ({ place: `${path}:${index + 1}`, line }))
}
