export {
  readSafetensors,
  SafetensorsError,
  safetensorsDtypes,
  writeSafetensors,
  type SafetensorsDtype,
  type SafetensorsFile,
  type SafetensorsTensor,
} from '@ferment/contracts';
