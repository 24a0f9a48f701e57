import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { Folder } from './folder.js'

const run = promisify(execFile)

export interface Pair {
  readonly key: string
  readonly cert: string
}

export interface Certificates extends Pair {
  readonly ca: string
  /** Its time has passed. */
  readonly expired: Pair
  /** For another host. */
  readonly wrongName: Pair
  /** A client's, of the same authority. */
  readonly client: Pair
  /** The authority's list of those that are not to be trusted any more: the client's is on it. */
  readonly revoked: string
  /** Signed by itself. */
  readonly selfSigned: Pair
}

/** openssl is begun some twenty times for them, so they are kept for other suites. */
const KEPT = resolve('.sluice/certificates.json')
/** Milliseconds that they are kept: they are good for a day. */
const FRESH = 6 * 3_600_000

let made: Promise<Certificates> | undefined

/** Certificates for localhost and 127.0.0.1, made by openssl for this run, all in PEM. */
export function certificates(): Promise<Certificates> {
  made ??= keptOrMade()
  return made
}

async function keptOrMade(): Promise<Certificates> {
  try {
    const age = Date.now() - statSync(KEPT).mtimeMs
    if (age >= 0 && age < FRESH) return JSON.parse(readFileSync(KEPT, 'utf8')) as Certificates
  } catch {
    // There are none, yet.
  }
  const all = await make()
  // Whole, whoever else does the same now.
  const own = `${KEPT}.${process.pid}`
  mkdirSync(resolve('.sluice'), { recursive: true })
  writeFileSync(own, JSON.stringify(all), { mode: 0o600 })
  renameSync(own, KEPT)
  return all
}

async function make(): Promise<Certificates> {
  const folder = new Folder()
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, { cwd: folder.path })
  const read = (name: string): string => readFileSync(`${folder.path}/${name}`, 'utf8')
  const key = (name: string): Promise<unknown> => openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)

  folder.file('ca.cnf', '[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n')
  await key('ca')
  await openssl('req', '-x509', '-new', '-key', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test authority', '-config', 'ca.cnf')

  folder.file('index.txt', '')
  folder.file('serial', '01')
  folder.file(
    'sign.cnf',
    '[ca]\ndefault_ca=own\n[own]\nnew_certs_dir=.\ndatabase=index.txt\nserial=serial\ncertificate=ca.crt\nprivate_key=ca.key\ndefault_md=sha256\npolicy=any\nunique_subject=no\ncopy_extensions=none\n[any]\ncommonName=supplied\n',
  )
  const pair = async (name: string, hosts: string, from: string, until: string): Promise<Pair> => {
    await key(name)
    folder.file(`${name}.cnf`, `subjectAltName=${hosts}\n`)
    await openssl('req', '-new', '-key', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const signed = ['-config', 'sign.cnf', '-in', `${name}.csr`, '-out', `${name}.crt`, '-extfile', `${name}.cnf`, '-startdate', from, '-enddate', until]
    await openssl('ca', '-batch', '-notext', ...signed)
    return { key: read(`${name}.key`), cert: read(`${name}.crt`) }
  }
  const [past, present, future] = [stamp(-2), stamp(-1), stamp(1)]
  const here = 'DNS:localhost,IP:127.0.0.1'
  // One after the other: they share the authority's files.
  const good = await pair('good', here, present, future)
  const expired = await pair('expired', here, past, stamp(-1))
  const wrongName = await pair('elsewhere', 'DNS:elsewhere.example', present, future)
  const client = await pair('client', 'DNS:client.example', present, future)
  await openssl('ca', '-config', 'sign.cnf', '-revoke', 'client.crt')
  await openssl('ca', '-config', 'sign.cnf', '-gencrl', '-crldays', '2', '-out', 'revoked.crl')
  await key('self')
  await openssl('req', '-x509', '-new', '-key', 'self.key', '-out', 'self.crt', '-days', '2', '-subj', '/CN=localhost', '-addext', `subjectAltName=${here}`)
  return {
    ca: read('ca.crt'),
    ...good,
    expired,
    wrongName,
    client,
    revoked: read('revoked.crl'),
    selfSigned: { key: read('self.key'), cert: read('self.crt') },
  }
}

/** So many days from now, as openssl writes it. */
function stamp(days: number): string {
  return `${new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\..*/g, '')}Z`
}
