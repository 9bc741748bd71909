"""prototype"""
from __future__ import annotations
import struct
import numpy as np
from concealer.outlook import NOWHERE, ReceivedMotion
from concealer.bitstream import hevc
from concealer.decoder.libav import read_memory, private_data_pointer
from concealer.decoder.lost_slices import inter_header
DPB,STRIDE=1136-760,760
def read_h264(core, buffer, orders):
    p=private_data_pointer(core.context_pointer)
    d=read_memory(p+DPB, STRIDE*40)
    for at in range(0,len(d)-STRIDE+1,STRIDE):
        f=int.from_bytes(d[at:at+8],'little')
        if f and int.from_bytes(read_memory(f,8),'little')==buffer.address:
            e=d[at:at+STRIDE]; w=struct.unpack('<18Q',e[:144])
            h,wd=buffer.planes[0].shape; mh,mw=-(-h//16),-(-wd//16)
            mv=[];to=[]
            for l in range(2):
                m=np.frombuffer(read_memory(w[10+l],mh*4*mw*4*4),np.int16).reshape(mh*4,mw*4,2)[::2,::2]
                r=np.frombuffer(read_memory(w[15+l],mh*mw*4),np.int8).reshape(mh,mw,2,2).swapaxes(1,2).reshape(mh*2,mw*2)
                poc=np.frombuffer(e[164+128*l:164+128*l+128],np.int32)
                table=np.array([orders.get(int(x)>>2,NOWHERE) for x in poc]+[NOWHERE],np.int64)
                to.append(table[np.where(r<0,32,r)]); mv.append(m)
            return ReceivedMotion(np.stack(mv),np.stack(to))
    return None
def read_hevc(store, buffer, au):
    h=inter_header(au)
    if h is None or au.sps is None: return None
    f=store.field(buffer,au.sps)
    if f is None: return None
    side=1<<(au.sps.log2_min_cb-1); st=max(1,8//side)
    f=f[::st,::st]
    past=[d for d,u in h.short_term_rps.negative if u]; fut=[d for d,u in h.short_term_rps.positive if u]
    mv=[];to=[]
    for l in range(2):
        c=[*past,*fut] if l==0 else [*fut,*past]
        n=h.num_ref_idx[l]; ent=h.list_modification[l] or range(n)
        t=[au.order+c[i%len(c)] for i in ent][:16] if c else []
        table=np.array(t+[NOWHERE]*(17-len(t)),np.int64)
        r=f['ref_idx'][:,:,l]; used=(f['pred_flag']>>l&1)>0
        to.append(table[np.where(used&(r>=0)&(r<16),r,16)]); mv.append(f['mv'][:,:,l])
    return ReceivedMotion(np.stack(mv),np.stack(to))
