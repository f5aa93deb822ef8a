/** Runs TypeScript in a Node process of its own, for what a test must not do in its own process. */
import { build } from 'esbuild'

/** The command line that runs `source`, whose imports are relative to the repository's root. */
export async function nodeCommand(source: string): Promise<[string, ...string[]]> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: process.cwd(), loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  })
  return [process.execPath, '--input-type=module', '--eval', outputFiles[0]?.text ?? '']
}
