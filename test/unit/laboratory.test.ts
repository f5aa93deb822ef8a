import { describe, expect, test } from 'vitest'
import { capabilities, type Family, Laboratory } from '../../src/laboratory/index.js'
import { oneArm } from '../../src/laboratory/topology-one-arm.js'
import { tap } from '../../src/laboratory/topology-tap.js'
import { twoArm } from '../../src/laboratory/topology-two-arm.js'

const inNamespace = (role: string) => `lab-${role}`

describe('topologies', () => {
  test('two-arm: the engine has a packet port on each side', () => {
    expect(twoArm({ servers: 2, families: [4, 6] }).ports(inNamespace)).toEqual({
      outside: {
        kind: 'packet',
        device: 'ext0',
        netns: 'lab-ctl',
        address: ['192.0.2.1/24', '2001:db8:1::1/64'],
      },
      inside: {
        kind: 'packet',
        device: 'int0',
        netns: 'lab-ctl',
        address: ['10.1.0.1/24', '2001:db8:2::1/64'],
      },
    })
  })

  test('one-arm: one packet port has the addresses of both subnets', () => {
    const ports = oneArm({ servers: 1, families: [4] }).ports(inNamespace)
    expect(ports).toEqual({
      outside: {
        kind: 'packet',
        device: 'ext0',
        netns: 'lab-ctl',
        address: ['192.0.2.1/24', '10.1.0.1/24'],
      },
    })
  })

  test('tap: the host sides are the client and all servers', () => {
    const ports = tap({ servers: 2, families: [4, 6] }).ports(inNamespace)
    expect(ports.outside).toMatchObject({ kind: 'tap', netns: 'lab-cli' })
    expect(ports.inside).toMatchObject({
      kind: 'tap',
      netns: 'lab-lan',
      address: ['10.1.0.1/24', '2001:db8:2::1/64'],
      hostAddress: ['10.1.0.11/24', '2001:db8:2::11/64', '10.1.0.12/24', '2001:db8:2::12/64'],
    })
  })

  test.each([
    ['two-arm', twoArm],
    ['one-arm', oneArm],
  ] as const)('%s: every end of a link lies in a namespace of the plan', (_name, topology) => {
    const plan = topology({ servers: 3, families: [4, 6] })
    const roles = new Set(plan.roles.map(({ role }) => role))
    const ends = plan.links.flatMap(({ from, to }) => [from, to])
    expect(ends.filter(([role]) => !roles.has(role))).toEqual([])
    const devices = ends.map(([role, device]) => `${role}/${device}`)
    expect(new Set(devices).size).toBe(devices.length)
  })

  test.each<[Family, RegExp]>([
    [4, /:/],
    [6, /\d+\.\d+\.\d+/],
  ])('a laboratory of IPv%d alone has no address of the other family', (family, foreign) => {
    const plan = twoArm({ servers: 1, families: [family] })
    const lines = plan.roles.flatMap((role) => role.lines)
    expect(lines.join('\n')).not.toMatch(foreign)
    expect(JSON.stringify(plan.ports(() => '')).replaceAll('":', '')).not.toMatch(foreign)
  })
})

test('a number of servers that the address plan cannot hold is refused', async () => {
  await expect(Laboratory.create({ topology: 'tap', servers: 1000 })).rejects.toThrow(RangeError)
})

test('whatever this host lacks comes with a reason and a remedy', async () => {
  for (const capability of Object.values(await capabilities())) {
    expect(capability.available).toBe(capability.reason === '')
    expect(capability.available).toBe(capability.remedy === '')
  }
})
