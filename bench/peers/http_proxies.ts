/**
 * Proxies that read HTTP in the engine's place: each sends what is below /api/ to one of two sets of
 * servers and the rest to the other, which here are the same server.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Laboratory } from '../../src/laboratory/index.js'
import { HTTP_PORT, type Variant } from '../variants.js'
import { ends, enter, enterNode, haproxyDefaults, nginxDefaults } from './proxies.js'

const common = { topology: 'two-arm' as const, needs: ['netns' as const] }

/** As they are set up by default, and HAProxy also as it is fastest. */
export const HTTP_PROXIES: readonly Variant[] = [
  {
    ...common,
    name: 'HAProxy http',
    tools: ['haproxy'],
    enter: (lab) => enterHaproxy(lab, 'safe'),
  },
  {
    ...common,
    name: 'HAProxy http, reuse always',
    tools: ['haproxy'],
    enter: (lab) => enterHaproxy(lab, 'always'),
  },
  { ...common, name: 'nginx http', tools: ['nginx'], enter: enterNginx },
  {
    ...common,
    name: 'Node http proxy',
    tools: [],
    enter: (lab) => enterNode(lab, [HTTP_PORT], 'http_pipe.mjs'),
  },
]

/** `reuse`: whether a client's first request may take a server's connection that another one had. */
async function enterHaproxy(lab: Laboratory, reuse: 'safe' | 'always'): Promise<string> {
  const [from, to] = ends(lab, HTTP_PORT)
  const file = join(lab.folder, 'haproxy-http.cfg')
  writeFileSync(
    file,
    `${haproxyDefaults('mode http', `http-reuse ${reuse}`)}
frontend site
  bind ${from}
  use_backend api if { path_beg /api/ }
  default_backend web
backend api
  server one ${to}
backend web
  server one ${to}
`,
  )
  return enter(lab, [HTTP_PORT], 'haproxy', ['-db', '-f', file])
}

/** With connections to its servers kept, which it does not do by itself. */
async function enterNginx(lab: Laboratory): Promise<string> {
  const [from, to] = ends(lab, HTTP_PORT)
  const pool = (name: string) => `upstream ${name} { server ${to}; keepalive 256; }`
  const file = join(lab.folder, 'http-proxy.conf')
  writeFileSync(
    file,
    `${nginxDefaults(lab, 'http-proxy')}
http {
  access_log off;
  keepalive_requests 1000000;
  ${pool('api')}
  ${pool('web')}
  server {
    listen ${from} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location /api/ { proxy_pass http://api; }
    location / { proxy_pass http://web; }
  }
}
`,
  )
  return enter(lab, [HTTP_PORT], 'nginx', ['-p', '/usr/share/nginx', '-c', file])
}
