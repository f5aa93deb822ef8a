import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { filesUnder, numberedLines, readText } from '../helpers/repository.js'
import { sourceLayers } from './layers.js'

const importOf = /(?:\bfrom\s+|\bimport\s*\(?\s*|\brequire\(\s*)(['"])([^'"]+)\1/

const imports = filesUnder('src', '.ts', '.tsx').flatMap((path) =>
  numberedLines(path).flatMap(({ place, line }) => {
    const specifier = importOf.exec(line)?.[2]
    if (!specifier || /^\s*(\*|\/\/)/.test(line)) return []
    const target = specifier.startsWith('.')
      ? join(dirname(path), specifier).replace(/\.js$/, '.ts')
      : specifier
    return [{ path, place, target }]
  }),
)

test('a folder of src/ imports only what its layer allows', () => {
  const offences = imports.flatMap(({ path, place, target }) =>
    sourceLayers
      .filter(({ files, mayNotImport }) => path.startsWith(files) && mayNotImport.test(target))
      .filter(() => target.startsWith('src/'))
      .map(({ because }) => `${place}: imports ${target}; ${because}`),
  )
  expect(offences).toEqual([])
})

test('only src/native.ts loads the addon', () => {
  const offences = filesUnder('src', '.ts')
    .filter((path) => path !== 'src/native.ts')
    .flatMap((path) => numberedLines(path))
    .filter(({ line }) => /node-gyp-build|\.node['"]|process\.dlopen/.test(line))
    .map(({ place }) => place)
  expect(offences).toEqual([])
})

test('src/index.ts exports and does nothing else', () => {
  const statements = readText('src/index.ts')
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    .split(/\n(?=export|import|const|let|function|class)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '' && !/^export\s[\s\S]*\sfrom\s/.test(statement))
  expect(statements).toEqual([])
})
