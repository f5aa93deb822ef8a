#!/usr/bin/env node
/**
 * Random transfers between two TCPs over an impaired link, on virtual time. Each run follows from its
 * seed: a seed that fails is named, and `--trace SEED` shows every segment of its run.
 *
 *   npm run simulate -- [--runs N] [--seed S] | --trace S | --throughput
 */
import { build, run } from './native-build.mjs'

build('out/simulate', ['-DCMAKE_BUILD_TYPE=Release'], ['simulate'])
run('out/simulate/simulate', process.argv.slice(2))
