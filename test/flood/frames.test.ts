/** The bench's generator of frames, which offers more than anybody forwards. */
import { expect, test } from 'vitest'
import { resultsOf } from '../helpers/bench-results.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns')
requireTools('ip', 'nsenter')

test('frames: what the far end counts is told beside what was offered', async () => {
  const [forwarded, cpu] = await resultsOf(['frames', '--subject', 'kernel forwarding'])
  expect(forwarded).toMatchObject({ metric: 'forwarded', unit: 'frames/s' })
  expect(forwarded?.median).toBeGreaterThan(0)
  expect(forwarded?.loss).toBeGreaterThanOrEqual(0)
  expect(forwarded?.loss).toBeLessThan(1)
  expect(cpu?.median).toBeGreaterThan(0)
})
