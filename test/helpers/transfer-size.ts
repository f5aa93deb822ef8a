/** How much long transfers move, and how long that may take. */
import { vi } from 'vitest'

const asked = Number(process.env.SLUICE_TRANSFER_BYTES ?? 0)

/** Of one transfer: that of 20 MB a second where somebody asks for a large one. */
export const TRANSFER_MS = Math.max(100_000, asked / 20_000)

/** What SLUICE_TRANSFER_BYTES asks for, else `usual`. The time-out of the file's tests follows. */
export function transferSize(usual: number): number {
  if (asked === 0) return usual
  // None has more than ten of them.
  vi.setConfig({ testTimeout: 10 * TRANSFER_MS })
  return asked
}
