/**
 * Figures as people read them. Pure functions; JSON output never passes through here.
 */

/** `1 234 567`: thousands apart, by a narrow no-break space that no line break splits. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f')
}

/** `12`, `3.4`: three significant digits at most, none after the point from 100 on. */
function short(value: number): string {
  if (value >= 99.95) return String(Math.round(value))
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2)
}

/** `256 MiB`. */
export function bytes(value: number): string {
  return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB'])
}

/** `9.61 Gbit/s`. */
export function bitRate(bitsPerSecond: number): string {
  return scaled(bitsPerSecond, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s'])
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let unit = 0
  while (value >= step && unit < units.length - 1) {
    value /= step
    unit += 1
  }
  return `${unit === 0 || Number.isInteger(value) ? Math.round(value) : short(value)} ${units[unit]}`
}

/** `350 ms`, `2.5 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 59.95) return `${Number(seconds.toFixed(1))} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return pair(whole, 60, 'min', 1, 's')
  return whole < 86_400 ? pair(whole, 3600, 'h', 60, 'min') : pair(whole, 86_400, 'd', 3600, 'h')
}

function pair(seconds: number, big: number, bigUnit: string, small: number, smallUnit: string) {
  const rest = Math.floor((seconds % big) / small)
  return `${Math.floor(seconds / big)} ${bigUnit}${rest ? ` ${rest} ${smallUnit}` : ''}`
}

/** `1 flow`, `2 flows`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}
