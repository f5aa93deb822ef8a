#!/usr/bin/env node
/**
 * Fuzzes each target of test/fuzz with libFuzzer, ASan and UBSan. Starts from the kept corpus
 * (test/fuzz/corpus/TARGET); what it finds new goes to out/fuzz/corpus, what crashes to
 * out/fuzz/crashes. An input worth keeping is copied to the kept corpus by hand, under a name that
 * says what it is; `npm test` replays it from then on.
 *
 *   npm run fuzz -- [--minutes N] [TARGET ...]
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, fuzzTargets, root, run } from './native-build.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '1' } },
})
const minutes = Number(values.minutes)
const known = fuzzTargets()
const targets = positionals.length > 0 ? positionals : known
const unknown = targets.filter((target) => !known.includes(target))
if (!(minutes > 0) || unknown.length > 0) {
  const complaint = unknown.length > 0 ? `no target ${unknown.join(', ')}` : '--minutes: a number'
  console.error(`${complaint}; targets: ${known.join(', ')}`)
  process.exit(2)
}

build(
  'out/fuzz',
  ['-DSLUICE_FUZZ=ON', '-DCMAKE_CXX_COMPILER=clang++-14'],
  targets.map((target) => `fuzz_${target}`),
)
for (const target of targets) {
  const found = join(root, 'out/fuzz/corpus', target)
  const kept = join(root, 'test/fuzz/corpus', target)
  const crashes = join(root, 'out/fuzz/crashes')
  for (const folder of [found, kept, crashes]) mkdirSync(folder, { recursive: true })
  const seconds = Math.ceil((minutes * 60) / targets.length)
  console.log(`${target}: ${seconds} s`)
  run(`out/fuzz/fuzz_${target}`, [
    `-max_total_time=${seconds}`,
    `-artifact_prefix=${crashes}/${target}-`,
    '-print_final_stats=1',
    '-verbosity=0',
    '-close_fd_mask=1',
    '-max_len=70000',
    found,
    kept,
  ])
}
