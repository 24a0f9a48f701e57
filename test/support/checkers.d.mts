export function hasValidator(): Promise<boolean>
export function schemas(): string
export function versions(): string[]
export function faults(version: string, files: readonly string[]): Promise<string>
export function kubeScore(): Promise<string | undefined>
export function score(program: string, files: readonly string[]): Promise<{ readonly critical: readonly string[]; readonly warnings: readonly string[] }>
export function kubeconform(): Promise<string | undefined>
