// WebGL drawing of a terminal on the graphics card. Optional: without it the page draws with text.

import type { Terminal } from '@xterm/xterm';

/** Returns false without WebGL, or if the processor emulates it, which is slower than drawing text. */
function hasGraphicsCard(): boolean {
  try {
    const context = document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true });
    if (context === null) return false;
    // Chromium does not count its own software renderer as a caveat; the renderer's name reveals it.
    const info = context.getExtension('WEBGL_debug_renderer_info');
    const name = String(context.getParameter(info === null ? context.RENDERER : info.UNMASKED_RENDERER_WEBGL));
    context.getExtension('WEBGL_lose_context')?.loseContext();
    return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  } catch {
    return false; // some browsers throw when they refuse
  }
}

/** Loads the renderer if useful. `isDisposed` returns true if the terminal was closed meanwhile. */
export async function accelerate(terminal: Terminal, isDisposed: () => boolean): Promise<void> {
  if (!hasGraphicsCard()) return;
  try {
    const { WebglAddon } = await import('@xterm/addon-webgl');
    if (isDisposed()) return;
    const addon = new WebglAddon();
    // The system takes the context away when it sleeps or runs short of resources: text drawing takes over.
    addon.onContextLoss(() => addon.dispose());
    terminal.loadAddon(addon);
  } catch {
    // The renderer could not be loaded or started: text drawing continues, and looks the same.
  }
}
