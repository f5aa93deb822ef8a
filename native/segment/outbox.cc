#include "segment/outbox.h"

namespace sluice {

bool Outbox::acknowledge(const CsmbHeader& message, uint32_t vs_id, uint8_t error) {
  std::memset(buffer_, 0, AckView::kSize);
  AckView ack(buffer_);
  ack.set_msg_type(AckView::kCode);
  ack.set_msg_length(AckView::kSize);
  ack.set_serial_global(++csmb_serial_);  // ACK is all that a segment sends: both serials agree
  ack.set_serial_bytype(csmb_serial_);
  ack.set_error_code(error);
  ack.set_ref_type(message.msg_type());
  ack.set_ref_serial(message.serial_bytype());
  ack.set_vs_id(vs_id);
  return push(AckView::kSize);
}

}  // namespace sluice
