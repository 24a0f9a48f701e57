export function kept(name: string, file: string, make: (folder: string) => unknown): Promise<string>
export function install(folder: string, ...what: string[]): Promise<void>
export function programOf(name: string): Promise<string>
