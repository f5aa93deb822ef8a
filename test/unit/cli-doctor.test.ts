import { describe, expect, test } from 'vitest'
import { checkPort, checkXdpMode, type PortPlan } from '../../src/cli/doctor/device-checks.js'
import { type Machine, memoryAvailable } from '../../src/cli/doctor/machine.js'
import { checkMachine } from '../../src/cli/doctor/machine-checks.js'
import { type Link, type Network, parseLinks } from '../../src/cli/doctor/network.js'

const yes = { available: true, reason: '', remedy: '' }
const no = (reason: string) => ({ available: false, reason, remedy: 'Do something.' })

/** A machine on which everything works, but for what a test changes. */
function machine(changes: Partial<Machine> = {}): Machine {
  return {
    nodeVersion: '20.20.2',
    kernel: '6.1.0',
    addon: { file: '/x/sluice.node' },
    privileges: ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_BPF'],
    host: { root: yes, userNamespaces: yes, netns: yes, afPacket: yes, afXdp: yes, tun: yes },
    steering: { works: true },
    memoryAvailable: 2 ** 31,
    ...changes,
  }
}

const troubles = (findings: ReturnType<typeof checkMachine>) =>
  findings.filter(({ ok }) => !ok).map(({ check, needed }) => `${check}${needed ? ' needed' : ''}`)

describe('the machine', () => {
  test('nothing is wrong with one that has everything', () => {
    const findings = checkMachine(machine())
    expect(troubles(findings)).toEqual([])
    expect(findings.every(({ detail, remedy }) => detail !== '' && remedy === '')).toBe(true)
  })

  test('each trouble has a detail and a remedy', () => {
    const findings = checkMachine({
      nodeVersion: '18.1.0',
      kernel: '5.4.0',
      addon: { error: 'no build found' },
      privileges: [],
      host: {
        root: no('not root'),
        userNamespaces: no('barred'),
        netns: no('not permitted'),
        afPacket: no('no CAP_NET_RAW'),
        afXdp: no('no CAP_BPF'),
        tun: no('absent'),
      },
      steering: { error: 'make a BPF map: Operation not permitted' },
      memoryAvailable: 1000,
    })
    // To have no privileges is nothing to mend by itself.
    const troubled = findings.filter(({ check }) => check !== 'privileges')
    expect(troubled.filter(({ ok }) => ok)).toEqual([])
    expect(troubled.every(({ detail, remedy }) => detail !== '' && remedy !== '')).toBe(true)
  })

  test('without a configuration one kind of port is enough', () => {
    const host = { ...machine().host, tun: no('absent') }
    expect(troubles(checkMachine(machine({ host })))).toEqual(['tap ports'])
    host.afPacket = no('barred')
    expect(troubles(checkMachine(machine({ host })))).toEqual([
      'packet ports needed',
      'tap ports needed',
    ])
  })

  test('a configuration needs the kinds that it has', () => {
    const host = { ...machine().host, tun: no('absent') }
    expect(troubles(checkMachine(machine({ host }), ['tap', 'memory']))).toEqual([
      'tap ports needed',
    ])
    expect(troubles(checkMachine(machine({ host }), ['packet']))).toEqual(['tap ports'])
  })

  test('AF_XDP is a matter of those configurations that have it', () => {
    const host = { ...machine().host, afXdp: no('the process runs in a user namespace') }
    expect(troubles(checkMachine(machine({ host })))).toEqual(['xdp ports'])
    expect(troubles(checkMachine(machine({ host }), ['packet', 'xdp']))).toEqual([
      'xdp ports needed',
    ])
    const privileges: Machine['privileges'] = ['CAP_NET_ADMIN']
    expect(troubles(checkMachine(machine({ privileges }), ['xdp']))).toContain('xdp ports needed')
  })

  test('a kernel that does not steer is a remark, with what happens instead', () => {
    const steering = { error: 'make a BPF map: Operation not permitted' }
    const findings = checkMachine(machine({ steering }), ['packet'])
    expect(troubles(findings)).toEqual(['steering'])
    expect(findings.find(({ check }) => check === 'steering')?.detail).toBe(
      `workers hand packets over to each other, which costs time: ${steering.error}`,
    )
  })

  test('TAP that works in a user namespace only does not work for `sluice run`', () => {
    const privileges: Machine['privileges'] = ['CAP_NET_RAW']
    const findings = checkMachine(machine({ privileges }), ['tap'])
    expect(findings.find(({ check }) => check === 'tap ports')).toMatchObject({
      ok: false,
      needed: true,
      detail: expect.stringContaining('CAP_NET_ADMIN'),
    })
  })

  test('a plain user with user namespaces can lay a laboratory', () => {
    const host = { ...machine().host, netns: no('not permitted') }
    expect(troubles(checkMachine(machine({ host })))).toEqual([])
    host.userNamespaces = no('barred')
    expect(troubles(checkMachine(machine({ host })))).toEqual(['laboratory'])
  })

  test('what is left of privileges depends on what the kernel takes', () => {
    const detail = (changes: Partial<Machine>) =>
      checkMachine(machine(changes)).find(({ check }) => check === 'privileges')?.detail
    expect(detail({ kernel: '6.6.0' })).toBe('given up when the ports are open')
    expect(detail({ kernel: '6.1.0' })).toContain('but for CAP_NET_ADMIN')
    expect(detail({ kernel: '6.6.0', steering: { error: 'no' } })).toContain('CAP_NET_ADMIN')
    expect(detail({ privileges: [] })).toContain('none')
  })

  test('the control group bounds the memory', () => {
    expect(memoryAvailable('MemAvailable:   1024 kB\n', Infinity)).toBe(1024 * 1024)
    expect(memoryAvailable('MemAvailable:   1024 kB\n', 4096)).toBe(4096)
    expect(memoryAvailable('', Infinity)).toBe(Infinity)
  })
})

describe('the devices', () => {
  const port: PortPlan = {
    name: 'outside',
    kind: 'packet',
    device: 'eth0',
    netns: '',
    addresses: [{ address: '192.0.2.1' }, { address: '2001:db8:1::1' }],
  }
  const eth0: Link = {
    name: 'eth0',
    up: true,
    mtu: 1500,
    kind: '',
    addresses: [],
    largeReceiveOffload: false,
  }
  const network = (changes: Partial<Link> = {}, forwards = { 4: false, 6: false }): Network => ({
    links: [
      { ...eth0, name: 'lo', addresses: ['127.0.0.1', '::1'] },
      { ...eth0, ...changes },
    ],
    forwards,
  })
  const virtual = ['192.0.2.100', '2001:db8:1::100']
  const check = (net: Network | undefined, plan = port) =>
    checkPort(plan, net, virtual).map(({ ok, needed, detail }) => ({ ok, needed, detail }))

  test('an idle device that is up is all that it takes', () => {
    expect(check(network())).toEqual([{ ok: true, needed: true, detail: 'eth0 is up, MTU 1500' }])
  })

  test('a device that is missing is named, and so are those that exist', () => {
    const [finding] = checkPort({ ...port, device: 'eth7' }, network(), virtual)
    expect(finding).toMatchObject({ ok: false, needed: true, detail: 'there is no device eth7' })
    expect(finding?.remedy).toBe('Name one of eth0.')
  })

  test('a device that is down', () => {
    expect(check(network({ up: false }))[0]).toMatchObject({ ok: false, detail: 'eth0 is down' })
  })

  test.each([['192.0.2.1'], ['192.0.2.100'], ['2001:db8:1::1'], ['2001:db8:1::100']])(
    'DFS-22 the kernel must not hold %s',
    (address) => {
      const [, finding] = check(network({ addresses: [address] }))
      expect(finding).toMatchObject({ ok: false, needed: true })
      expect(finding?.detail).toContain(address)
    },
  )

  test('another address of the kernel on the device is no trouble', () => {
    expect(check(network({ addresses: ['192.0.2.7'] }))).toHaveLength(1)
  })

  test.each([
    [{ 4: true, 6: false }, 'net.ipv4.ip_forward'],
    [{ 4: false, 6: true }, 'net.ipv6.conf.all.forwarding'],
  ])('a kernel that forwards (%j) is a remark', (forwards, key) => {
    const [, finding] = check(network({}, forwards))
    expect(finding).toMatchObject({ ok: false, needed: false })
    expect(finding?.detail).toContain(key)
  })

  test('forwarding of a family that the engine has no address of does not matter', () => {
    const plan = { ...port, addresses: [{ address: '192.0.2.1' }] }
    expect(checkPort(plan, network({}, { 4: false, 6: true }), ['192.0.2.100'])).toHaveLength(1)
  })

  test('large receive offload is a remark', () => {
    const [, finding] = check(network({ largeReceiveOffload: true }))
    expect(finding).toMatchObject({ ok: false, needed: false })
  })

  test('a TAP port takes a free name or an old TAP device, not another device', () => {
    const tap: PortPlan = { ...port, kind: 'tap' }
    expect(check(network(), { ...tap, device: 'tap0' })[0]?.ok).toBe(true)
    expect(check(network({ kind: 'tun' }), tap)[0]?.ok).toBe(true)
    expect(check(network(), tap)[0]).toMatchObject({ ok: false, needed: true })
  })

  test('an AF_XDP port wants the device for itself, with frames of less than a page', () => {
    const xdp: PortPlan = { ...port, kind: 'xdp' }
    expect(check(network({ addresses: ['fe80::1'] }, { 4: true, 6: true }), xdp)).toHaveLength(1)
    expect(check(network({ addresses: ['192.0.2.7'] }), xdp)[1]).toMatchObject({
      ok: false,
      needed: true,
      detail: expect.stringContaining('192.0.2.7'),
    })
    expect(check(network({ mtu: 9000 }), xdp)[1]).toMatchObject({ ok: false, needed: true })
  })

  test.each([
    ['zero copy', true, 'zero copy'],
    ['driver', true, 'driver mode'],
    ['generic', false, 'generic mode'],
    ['unknown', true, 'sluice status'],
  ] as const)('a driver that says %j of XDP', (support, ok, told) => {
    const finding = checkXdpMode({ ...port, kind: 'xdp' }, support)
    expect(finding).toMatchObject({ ok, detail: expect.stringContaining(told) })
    expect(finding.remedy === '').toBe(ok)
  })

  test('a memory port needs no device', () => {
    expect(check(network(), { ...port, kind: 'memory' })).toEqual([])
  })

  test('a namespace that cannot be entered is a trouble, the own one without `ip` a remark', () => {
    expect(check(undefined, { ...port, netns: 'blue' })[0]).toMatchObject({
      ok: false,
      needed: true,
    })
    expect(check(undefined)[0]).toMatchObject({ ok: false, needed: false })
  })

  test('reads what `ip` says', () => {
    const said = [
      {
        ifname: 'tap0',
        flags: ['BROADCAST', 'UP'],
        mtu: 9000,
        linkinfo: { info_kind: 'tun' },
        addr_info: [{ local: '10.0.0.1' }, {}],
      },
      { ifname: 'eth0', flags: [], mtu: 1500 },
    ]
    const offloads = (name: string) =>
      `large-receive-offload: ${name === 'eth0' ? 'on' : 'off [fixed]'}\n`
    expect(parseLinks(JSON.stringify(said), offloads)).toEqual([
      { ...eth0, name: 'tap0', mtu: 9000, kind: 'tun', addresses: ['10.0.0.1'] },
      { ...eth0, up: false, largeReceiveOffload: true },
    ])
  })
})
