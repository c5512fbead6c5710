/** Compilers and emulators: which there are, how old they may be, which package has them. */
import { InputError } from '../base/errors.ts';
import { runProcess } from './process.ts';

interface Tool {
  /** Of Debian 12. */
  readonly package: string;
  /** How to ask for the version, which is then the first `digits.digits` of the answer. */
  readonly ask: string;
  /** The oldest major and minor version that knows the targets. */
  readonly oldest: readonly [number, number];
}

const tools = {
  gcc: { package: 'gcc', ask: '-dumpfullversion', oldest: [10, 0] },
  clang: { package: 'clang', ask: '-dumpversion', oldest: [11, 0] },
  'arm-none-eabi-gcc': { package: 'gcc-arm-none-eabi', ask: '-dumpfullversion', oldest: [10, 0] },
  'riscv64-unknown-elf-gcc': { package: 'gcc-riscv64-unknown-elf', ask: '-dumpfullversion', oldest: [10, 0] },
  'avr-gcc': { package: 'gcc-avr', ask: '-dumpversion', oldest: [5, 4] },
  'xtensa-lx106-elf-gcc': { package: 'gcc-xtensa-lx106', ask: '-dumpfullversion', oldest: [10, 0] },
  'aarch64-linux-gnu-gcc': { package: 'gcc-aarch64-linux-gnu', ask: '-dumpfullversion', oldest: [10, 0] },
  'riscv64-linux-gnu-gcc': { package: 'gcc-riscv64-linux-gnu', ask: '-dumpfullversion', oldest: [10, 0] },
  'powerpc-linux-gnu-gcc': { package: 'gcc-powerpc-linux-gnu', ask: '-dumpfullversion', oldest: [10, 0] },
  'qemu-system-arm': { package: 'qemu-system-arm', ask: '--version', oldest: [7, 2] },
  'qemu-system-riscv32': { package: 'qemu-system-misc', ask: '--version', oldest: [7, 2] },
  'qemu-system-xtensa': { package: 'qemu-system-misc', ask: '--version', oldest: [7, 2] },
  'qemu-aarch64': { package: 'qemu-user', ask: '--version', oldest: [7, 2] },
  'qemu-riscv64': { package: 'qemu-user', ask: '--version', oldest: [7, 2] },
  'qemu-ppc': { package: 'qemu-user', ask: '--version', oldest: [7, 2] },
  'qemu-arm': { package: 'qemu-user', ask: '--version', oldest: [7, 2] },
  'qemu-riscv32': { package: 'qemu-user', ask: '--version', oldest: [7, 2] },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;

const install = (tool: Tool): string =>
  `install the Debian package '${tool.package}', or everything at once with 'npm run toolchain'`;

function tooOld(found: RegExpExecArray, oldest: readonly [number, number]): boolean {
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
}

/** What is wrong with what a tool says its version is. */
export function versionFault(name: ToolName, answer: string): InputError | undefined {
  const tool: Tool = tools[name];
  const found = /(\d+)\.(\d+)/.exec(answer);
  const supported = `version ${tool.oldest.join('.')} or newer`;
  if (found === null)
    return new InputError({ where: name, found: 'no version in its output', supported, todo: install(tool) });
  if (!tooOld(found, tool.oldest)) return undefined;
  return new InputError({ where: name, found: `version ${found[0]}`, supported, todo: install(tool) });
}

async function check(name: ToolName): Promise<string> {
  const ran = await runProcess(name, [tools[name].ask], { timeoutMs: 20_000 });
  if (ran.notStarted !== undefined)
    throw new InputError({
      where: name,
      found: `not installed (${ran.notStarted})`,
      todo: install(tools[name]),
    });
  const fault = versionFault(name, ran.stdout);
  if (fault) throw fault;
  return ran.stdout;
}

/** By name and PATH, which decides what is found under the name. */
const known = new Map<string, Promise<string>>();

/** What a tool says its version is. @throws InputError when the tool is missing or too old; asked once per PATH. */
export function requireTool(name: ToolName): Promise<string> {
  const key = `${name} on ${process.env.PATH}`;
  const asked = known.get(key) ?? check(name);
  known.set(key, asked);
  return asked;
}
