import { describe, expect, test } from 'vitest'
import { filesUnder, numberedLines } from '../helpers/repository.js'
import {
  mayIncludeClockOrEntropy,
  mayReadClockOrEntropy,
  nativeLayers,
  readsOfClockOrEntropy,
  systemHeaders,
} from './layers.js'

const lines = filesUnder('native', '.h', '.cc', '.def').flatMap((path) =>
  numberedLines(path).map((numbered) => ({ path, folder: path.split('/')[1] ?? '', ...numbered })),
)
const includes = lines.flatMap(({ line, ...rest }) => {
  const target = /^\s*#\s*include\s+(\S+)/.exec(line)?.[1]
  return target ? [{ target, ...rest }] : []
})

/** Whether a file of `folder` may include `target`, a path inside native/. */
function mayInclude(folder: string, target: string): boolean {
  const allowed = nativeLayers[folder] ?? []
  return [folder, ...allowed].some((entry) => target === entry || target.startsWith(`${entry}/`))
}

describe('native layers', () => {
  test('every folder has a layer', () => {
    const folders = new Set(
      lines.filter(({ path }) => path.split('/').length > 2).map((l) => l.folder),
    )
    expect([...folders].filter((folder) => !(folder in nativeLayers))).toEqual([])
  })

  test('a folder includes only what stands below it', () => {
    const offences = includes
      .filter(
        ({ folder, target }) => target.startsWith('"') && !mayInclude(folder, target.slice(1, -1)),
      )
      .map(({ place, folder, target }) => `${place}: ${folder} may not include ${target}`)
    expect(offences).toEqual([])
  })

  test('the table itself has no cycle', () => {
    const visit = (folder: string, path: string[]): void => {
      expect(path, `${[...path, folder].join(' -> ')}`).not.toContain(folder)
      for (const below of nativeLayers[folder] ?? []) {
        if (!below.includes('/')) visit(below, [...path, folder])
      }
    }
    for (const folder of Object.keys(nativeLayers)) visit(folder, [])
  })

  test('Node and Linux network headers stay in their folder', () => {
    const offences = includes.flatMap(({ place, folder, target }) =>
      systemHeaders
        .filter(({ headers, folders }) => headers.test(target) && !folders.includes(folder))
        .map(({ folders }) => `${place}: ${target} belongs to ${folders.join(', ')}`),
    )
    expect(offences).toEqual([])
  })

  test('nothing below the worker reads a clock or an entropy source', () => {
    const offences = lines
      .filter(({ path }) => !mayReadClockOrEntropy.some((allowed) => path.startsWith(allowed)))
      .filter(({ line }) => readsOfClockOrEntropy.test(line.replace(/\/\/.*/, '')))
      .map(({ place, line }) => `${place}: ${line.trim()}`)
    expect(offences).toEqual([])
  })

  test('only the loop and what starts it include the clock and the entropy source', () => {
    const offences = includes
      .filter(({ target }) => /base\/(clock|entropy)\.h/.test(target))
      .filter(({ path }) => !mayIncludeClockOrEntropy.includes(path))
      .map(({ place, target }) => `${place}: ${target}`)
    expect(offences).toEqual([])
  })
})
