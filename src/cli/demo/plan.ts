/**
 * Who asks for what in the demo. The addresses and virtual servers are those of examples/policy.ts.
 */
import type { Family } from '../../index.js'
import type { Errand, Visit } from './client.js'
import type { RequestsAbout } from './result.js'

/** What the clients of one family do, and what there is to say about each of their doings. */
export interface Plan {
  visits: { errand: Visit; about: RequestsAbout }[]
  download: { errand: Errand['downloads'][number]; about: { family: Family } }
  /** The download whose connection is followed. */
  followed: { errand: Errand['downloads'][number]; about: { family: Family } }
}

const clients: Record<Family, { anybody: string; tester: string; prefix: number }> = {
  4: { anybody: '192.0.2.10', tester: '192.0.2.11', prefix: 24 },
  6: { anybody: '2001:db8:1::10', tester: '2001:db8:1::11', prefix: 64 },
}

const plainPort = 80
const policyPort = 8080
/** Of virtual servers that are the demo's own. */
export const followedPort = 8081

/** The testers' addresses with their prefix: they are not part of a laboratory. */
export function testerAddresses(families: readonly Family[]): string[] {
  return families.map((family) => `${clients[family].tester}/${clients[family].prefix}`)
}

/** `virtual` is the address of the virtual servers. */
export function planFor(
  family: Family,
  virtual: string,
  downloadBytes: number,
  followedBytes: number,
): Plan {
  const host = family === 6 ? `[${virtual}]` : virtual
  const visit = (
    role: RequestsAbout['role'],
    port: number,
    firstPort: number,
    count: number,
  ): Plan['visits'][number] => {
    const client = clients[family][role]
    const virtualServer = `${host}:${port}`
    return {
      errand: { url: `http://${virtualServer}/`, from: client, firstPort, count },
      about: { family, role, client, virtualServer, count },
    }
  }
  return {
    visits: [
      visit('anybody', plainPort, 21_001, 90),
      visit('anybody', policyPort, 22_001, 100),
      visit('tester', policyPort, 23_001, 50),
    ],
    download: {
      errand: { url: `http://${host}:${plainPort}/`, bytes: downloadBytes },
      about: { family },
    },
    followed: {
      errand: { url: `http://${host}:${followedPort}/`, bytes: followedBytes },
      about: { family },
    },
  }
}
