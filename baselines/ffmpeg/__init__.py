"""The classical codecs that ffmpeg encodes and decodes: H.264, HEVC, AV1, VP9 and VVC."""
