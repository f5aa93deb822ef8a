#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "port/file_descriptor.h"
#include "port/pcapng_blocks.h"

namespace sluice {

// Writes a capture file in the pcapng format through a buffer. A file that cannot be written to any
// longer ends there; that stops no packet. Nor does the slow reader of a FIFO: what the buffer has
// no room for is lost, and the next frame of the interface says how many were (epb_dropcount).
class PcapngWriter {
 public:
  // Overwrites what is there, unless another writer is at it. A FIFO needs its reader by now.
  static Result<std::unique_ptr<PcapngWriter>> create(const std::string& path);
  ~PcapngWriter() { flush(); }

  // Returns the number by which frames name the interface.
  uint32_t add_interface(const std::string& name);
  void add_frame(uint32_t interface, uint64_t unix_nanoseconds, CaptureDirection direction,
                 ConstByteSpan frame);
  // Writes what the file takes at once.
  void flush();

 private:
  explicit PcapngWriter(FileDescriptor file);

  // Room at the end of the buffer, which becomes longer by so much.
  ByteSpan grow(size_t size);

  FileDescriptor file_;
  std::vector<uint8_t> buffer_;  // of a capacity that is never exceeded
  std::vector<uint64_t> lost_;   // of each interface, since its last frame
  bool failed_ = false;
};

}  // namespace sluice
