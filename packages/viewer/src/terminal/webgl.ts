// Draws a terminal with the graphics card where there is one. Optional: without it the page draws with text.

import type { Terminal } from '@xterm/xterm';

/** False where WebGL is missing, or done by the processor, which is slower than drawing text. */
function hasGraphicsCard(): boolean {
  try {
    const context = document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true });
    if (context === null) return false;
    // Chromium does not count its own software renderer as a caveat; the name gives it away.
    const info = context.getExtension('WEBGL_debug_renderer_info');
    const name = String(context.getParameter(info === null ? context.RENDERER : info.UNMASKED_RENDERER_WEBGL));
    context.getExtension('WEBGL_lose_context')?.loseContext();
    return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  } catch {
    return false; // some browsers throw where they refuse
  }
}

/** Loads the renderer when it is of use. `isGone` tells that the terminal was closed meanwhile. */
export async function accelerate(terminal: Terminal, isGone: () => boolean): Promise<void> {
  if (!hasGraphicsCard()) return;
  try {
    const { WebglAddon } = await import('@xterm/addon-webgl');
    if (isGone()) return;
    const addon = new WebglAddon();
    // The system takes the context away when it sleeps or runs short: text drawing takes over.
    addon.onContextLoss(() => addon.dispose());
    terminal.loadAddon(addon);
  } catch {
    // It could not be loaded or started: text drawing goes on, and looks the same.
  }
}
