/** Sites whose virtual servers are services, in an engine of its own process. */
import { join } from 'node:path'
import type { Laboratory } from '../../src/laboratory/index.js'
import { root } from './repository.js'
import { listen, Site, type SiteOptions } from './site.js'
import { SluiceProcess } from './sluice-process.js'

const SERVICES = join(root, 'test/helpers/services.ts')

/**
 * A site with a service at each of these L4 ports of the virtual addresses, given by its source, in
 * which `services` is all of services.ts.
 */
export function startServiceSite(
  services: Record<number, string>,
  options: Omit<SiteOptions, 'topology' | 'virtualServers'> & Partial<SiteOptions> = {},
): Promise<Site> {
  const { prelude = '', virtualServers, ...more } = options
  return Site.start({
    topology: 'two-arm',
    servers: 1,
    ...more,
    prelude: `import * as services from ${JSON.stringify(SERVICES)}\n${prelude}`,
    virtualServers: (family, lab) => ({
      ...Object.fromEntries(
        Object.entries(services).map(([port, source]) => [
          `service${port}_`,
          `listen: '${listen(lab, family, Number(port))}', service: ${source}`,
        ]),
      ),
      ...virtualServers?.(family, lab),
    }),
  })
}

/** An example's configuration with the ports of a laboratory, run as its users do. */
export function runExample(
  lab: Laboratory,
  name: string,
  env: Record<string, string> = {},
): Promise<SluiceProcess> {
  const example = JSON.stringify(join(root, 'examples', `${name}.ts`))
  const ports = JSON.stringify(lab.ports())
  const source = `import example from ${example}\nexport default { ...example, ports: ${ports} }`
  const host = {
    spawn: (command: string, args?: readonly string[]) => lab.spawn(command, args, env),
  }
  return SluiceProcess.start(lab, source, [], host)
}
