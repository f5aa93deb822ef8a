#!/usr/bin/env node
/**
 * Builds the core with sanitizers and runs the C++ tests and the fuzz corpora through it: out/asan
 * with AddressSanitizer and UndefinedBehaviorSanitizer, out/tsan with ThreadSanitizer. With
 * --build-hostile it only builds what `npm test` runs instrumented (test/sanitize), in out/hostile.
 *
 *   npm run test:sanitize -- [address] [thread]
 */
import { build, corpusFiles, fuzzTargets, run } from './native-build.mjs'

const kinds = { address: 'out/asan', thread: 'out/tsan' }
const asked = process.argv.slice(2)
if (asked.includes('--build-hostile')) {
  const options = ['-DSLUICE_SANITIZE=address', '-DCMAKE_BUILD_TYPE=None', '-DCMAKE_CXX_FLAGS=-O1']
  const replays = fuzzTargets().map((target) => `replay_${target}`)
  build('out/hostile', options, ['sluice_hostile', ...replays])
  process.exit(0)
}
const unknown = asked.filter((kind) => !(kind in kinds))
if (unknown.length > 0) {
  console.error(`unknown sanitizer ${unknown.join(', ')}: address or thread`)
  process.exit(2)
}

// A test forks to give up its capabilities, and starts a segment in the child.
const env = { ...process.env, TSAN_OPTIONS: `die_after_fork=0:${process.env.TSAN_OPTIONS ?? ''}` }

for (const kind of asked.length > 0 ? asked : Object.keys(kinds)) {
  const folder = kinds[kind]
  build(folder, [`-DSLUICE_SANITIZE=${kind}`, '-DCMAKE_BUILD_TYPE=RelWithDebInfo'])
  console.log(`${kind}: C++ tests`)
  run(`${folder}/sluice_tests`, [], { env })
  for (const target of fuzzTargets()) {
    console.log(`${kind}: corpus of ${target}`)
    // Names each input before it runs; that is of interest only where one fails.
    run(`${folder}/replay_${target}`, corpusFiles(target), { stdio: ['ignore', 'inherit', 'pipe'] })
  }
}
