/** The text format 0.0.4 of Prometheus. */

export type Labels = Readonly<Record<string, string>>
export type Sample = readonly [labels: Labels, value: number]

/** A metric with its samples; a counter's name ends in `_total`. */
export interface Metric {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  /** One sentence, without a stop. */
  readonly help: string
  readonly samples: readonly Sample[]
}

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

/** A metric without samples is left out. */
export function exposition(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}`)
      return [`# HELP ${name} ${helpText(help)}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
    })
    .join('')
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${valueText(value)}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

const helpText = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const valueText = (text: string) => helpText(text).replaceAll('"', '\\"')
