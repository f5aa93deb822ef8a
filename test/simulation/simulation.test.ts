/** A sample of `npm run simulate`: random transfers between two TCPs on virtual time. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readText, root } from '../helpers/repository.js'

function simulate(...args: string[]): { output: string; status: number | null } {
  const program = join(root, 'out/cmake/build/simulate')
  const { stdout, stderr, status, error } = spawnSync(program, args, { encoding: 'utf8' })
  return { output: `${stdout}${stderr}${error?.message ?? ''}`, status }
}

test('TCPX-38 TCPX-53 BUF-16 random transfers come byte by byte whatever the link does, and leave no block', () => {
  const { output, status } = simulate('--runs', '100', '--seed', '1')
  expect(output).toBe('100 runs, 0 failed\n')
  expect(status).toBe(0)
})

test('SOCK-20 TCPX-21 TCPX-22 TCPX-24 TCPX-62 pairs are let go and taken back at random, and no packet breaks a rule', () => {
  const { output, status } = simulate('--splice', '--runs', '100', '--seed', '1')
  expect(output).toMatch(
    /^100 runs, 0 failed; let go \d+ times, taken back \d+, \d+ packets, \d+ wrapped\n$/,
  )
  expect(status).toBe(0)
})

test('TCPX-55 the table of throughput by loss is as committed', () => {
  const { output } = simulate('--throughput')
  expect(output, 'simulate --throughput > test/simulation/throughput.txt').toBe(
    readText('test/simulation/throughput.txt'),
  )
})
