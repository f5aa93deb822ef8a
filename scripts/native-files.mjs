import { existsSync, readdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folders = ['native', 'test/native', 'test/fuzz', 'bench/native']

/** Every C++ file of ours, relative to the top folder. */
export function nativeFiles() {
  return folders.flatMap((folder) => {
    if (!existsSync(join(root, folder))) return []
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(cc|h)$/.test(path))
      .map((path) => join(folder, path))
      .sort()
  })
}

/** The clang-format that the code is formatted with: other versions differ in details. */
export const clangFormat = () => findCommand('clang-format-14')
export const clangTidy = () => findCommand('clang-tidy-14')

function findCommand(name) {
  const paths = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  return paths.find((path) => existsSync(path))
}
