// Named pipes for the output of a program, which are neither sockets nor files to it.

export { Fifos, type OpenFifo } from '../process/fifos.ts';
