-- Restricted users store into studies that they may read, and into new ones. Loaded after one_identity.lua, whose filter
-- it calls. Who asks is known to rights.py, which answers in the thread of the request.

local one_identity = ReceivedInstanceFilter

function ReceivedInstanceFilter(tags, origin, info)
  if origin.RequestOrigin ~= 'DicomProtocol' then
    local answer = RestApiPost('/rights/may-store', tags.StudyInstanceUID or '', false)
    if answer ~= 'yes' then
      error('Refused: the study is not one that the sender may read.', 0)
    end
  end
  return one_identity(tags, origin, info)
end
