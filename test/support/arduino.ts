/** Debian's core of the Arduino boards with an AVR: sketches as the IDE builds them for an Uno. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runTool } from './run-tool.ts';

export const arduinoCore = '/usr/share/arduino/hardware/arduino/avr';

const common = [
  ...['-mmcu=atmega328p', '-Os', '-ffunction-sections', '-fdata-sections', '-flto', '-DF_CPU=16000000L'],
  ...['-DARDUINO=10819', '-DARDUINO_AVR_UNO', '-DARDUINO_ARCH_AVR'],
  ...[`-I${arduinoCore}/cores/arduino`, `-I${arduinoCore}/variants/standard`],
];
const asC = [...common, '-std=gnu11'];
// avr-gcc 5 hides a macro of float.h from C++ that the core uses.
const asCpp = [
  ...common,
  '-std=gnu++11',
  '-fno-exceptions',
  '-fno-threadsafe-statics',
  '-DDECIMAL_DIG=__DECIMAL_DIG__',
];

/** What a sketch needs that prints through Serial. */
const coreFiles = [
  ...[
    'HardwareSerial.cpp',
    'HardwareSerial0.cpp',
    'Print.cpp',
    'Stream.cpp',
    'WString.cpp',
    'abi.cpp',
    'new.cpp',
  ],
  ...['main.cpp', 'hooks.c', 'wiring.c'],
];

function compile(file: string, flags: readonly string[], folder: string): string {
  const object = `${path.basename(file)}.o`;
  const [compiler, own] = file.endsWith('.c') ? ['avr-gcc', asC] : ['avr-g++', asCpp];
  runTool(compiler, [...own, ...flags, '-c', file, '-o', object], folder);
  return object;
}

/** The objects of the core, in a folder. */
export function compiledCore(folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  return coreFiles.map((file) => {
    const flags = ['-fno-fat-lto-objects', '-fpermissive'];
    return path.join(folder, compile(path.join(arduinoCore, 'cores/arduino', file), flags, folder));
  });
}

/** Compiles a library and its one sketch; without a warning. @returns the objects */
export function compiledLibrary(library: string, folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const src = path.join(library, 'src');
  const [sketch = ''] = readdirSync(path.join(library, 'examples'));
  const text = readFileSync(path.join(library, 'examples', sketch, `${sketch}.ino`), 'utf8');
  writeFileSync(path.join(folder, 'sketch.cpp'), `#include <Arduino.h>\n${text}`);
  const sources = readdirSync(src).filter((file) => file.endsWith('.c'));
  const flags = ['-Wall', '-Wextra', '-Werror', `-I${src}`];
  return [...sources.map((file) => path.join(src, file)), 'sketch.cpp'].map((file) =>
    path.join(folder, compile(file, flags, folder)),
  );
}

/** Links for an Uno. @returns bytes of flash and of RAM before the stack */
export function linkedForUno(objects: readonly string[], to: string): { flash: number; ram: number } {
  const folder = path.dirname(to);
  const flags = ['-mmcu=atmega328p', '-Os', '-flto', '-fuse-linker-plugin', '-Wl,--gc-sections'];
  runTool('avr-gcc', [...flags, ...objects, '-lm', '-o', to], folder);
  const [, text = 0, data = 0, bss = 0] = /^\s*(\d+)\s+(\d+)\s+(\d+)/m
    .exec(runTool('avr-size', [to], folder).split('\n')[1] ?? '')!
    .map(Number);
  return { flash: text + data, ram: data + bss };
}

/** As much of Arduino.h as sketches use, on a computer: `loop` runs once. */
const standIn = `
#include <stdio.h>
#include <string.h>
#define PROGMEM
#define memcpy_P memcpy
static inline void delay(unsigned long) {}
static struct {
  void begin(long) {}
  void print(const char *text) { printf("%s", text); }
  void print(long number) { printf("%ld", number); }
  void print(float number) { printf("%.9g", static_cast<double>(number)); }
  void println(long number) { printf("%ld\\r\\n", number); }
  void println() { printf("\\r\\n"); }
} Serial;
void setup();
void loop();
int main() { setup(); loop(); }
`;

/** What the sketch of a library prints in its first round. */
export function runOnHost(library: string): string {
  const src = path.join(library, 'src');
  const [sketch = ''] = readdirSync(path.join(library, 'examples'));
  const text = readFileSync(path.join(library, 'examples', sketch, `${sketch}.ino`), 'utf8');
  writeFileSync(path.join(library, 'sketch.cpp'), `${standIn}${text}`);
  const sources = readdirSync(src).filter((file) => file.endsWith('.c'));
  runTool(
    'gcc',
    ['-std=c99', '-ffp-contract=off', '-c', ...sources.map((file) => path.join(src, file))],
    library,
  );
  const objects = sources.map((file) => file.replace(/c$/, 'o'));
  runTool('g++', [`-I${src}`, 'sketch.cpp', ...objects, '-o', 'sketch'], library);
  return runTool(path.join(library, 'sketch'), [], library);
}
