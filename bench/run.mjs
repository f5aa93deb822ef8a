#!/usr/bin/env node
/** `npm run bench`: bundles bench/main.ts, so that no build is needed first, and runs it. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
// As deep as test/helpers, from where the bundled sources look for the repository's root.
const outfile = join(root, 'out/bench/main.mjs')

await build({
  entryPoints: [join(import.meta.dirname, 'main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
})
const { main } = await import(pathToFileURL(outfile).href)
process.exitCode = await main(process.argv.slice(2))
