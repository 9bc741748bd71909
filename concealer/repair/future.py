"""Candidates from what a scout saw of the pictures behind the damaged one."""
from __future__ import annotations
import os
from collections.abc import Sequence
from typing import Any
import cv2
import numpy as np
import numpy.typing as npt
from concealer.outlook import NOWHERE, TAINT_CELL, Ahead, Outlook
from concealer.picture import Picture
from concealer.repair import flow as motion
from concealer.repair.candidates import Candidate, fill_flow, surroundings_flow, warp, _doubt_steady, _ratio, _carried_on, _disagreement
from concealer.repair.crop import to_grid
from concealer.repair.site import Layer, Site
Array = npt.NDArray[Any]
MODES = set(os.environ.get('FUT','next,acc,mid').split(','))


def bar(site, ahead):
    """share of tainted cells on the error grid of the window"""
    t=ahead.tainted.astype(np.float32)
    step=TAINT_CELL
    full=t.repeat(step,0).repeat(step,1)
    r=site.region; cut=full[r.top:r.bottom, r.left:r.right][site.window.slices()]
    return to_grid(np.ascontiguousarray(cut), site.step)

def now_shape(site): return site.now.gray.shape

def told(site, later, last_order):
    """velocity (px per order) on an 8-sample grid of the region, and its weight"""
    t=site.now.order; r=site.region
    rows,cols=-(-(r.bottom-r.top)//8),-(-(r.right-r.left)//8)
    acc=np.zeros((rows*cols,3),np.float64)
    for a in later:
        m=a.received
        if m is None: continue
        L=a.picture.order
        R,C=m.toward.shape[1:]
        yy,xx=np.mgrid[0:R,0:C]; px=(xx*8+4).astype(np.float32); py=(yy*8+4).astype(np.float32)
        V=m.vectors.astype(np.float32)/4; T=m.toward
        hit=[T[l]==t for l in range(2)]
        def put(sel,x,y,vel,w):
            ix=((x-r.left)//8).astype(int); iy=((y-r.top)//8).astype(int)
            ok=sel&(ix>=0)&(ix<cols)&(iy>=0)&(iy<rows)
            k=(iy*cols+ix)[ok]
            for j in range(2): acc[:,j]+=np.bincount(k,vel[...,j][ok]*w,minlength=rows*cols)
            acc[:,2]+=np.bincount(k,np.full(k.shape,w),minlength=rows*cols)
        for l in range(2):
            o=1-l
            chain=hit[l]&(T[o]!=NOWHERE)&(T[o]!=t)
            if chain.any():
                d=np.where(chain,T[o]-t,1)[...,None]
                put(chain,px+V[l][...,0],py+V[l][...,1],(V[o]-V[l])/d,WC)
            only=hit[l]&~chain
            put(only,px+V[l][...,0],py+V[l][...,1],-V[l]/(L-t)*-1*-1 if False else V[l]/(t-L),WO)
        if WP:
            for l in range(2):
                sel=(~hit[0])&(~hit[1])&(T[l]!=NOWHERE)&(np.sign(T[l]-L)==np.sign(L-t)*-1*-1*-1*-1) if False else (~hit[0])&(~hit[1])&(T[l]!=NOWHERE)&(T[l]!=t)&(T[l]!=L)
                d=np.where(sel,T[l]-L,1)[...,None]
                vel=V[l]/d
                put(sel,px+vel[...,0]*(t-L),py+vel[...,1]*(t-L),vel,WP)
    if not acc[:,2].any(): return None
    v=acc[:,:2]/np.maximum(acc[:,2:],1e-6)
    return v.reshape(rows,cols,2).astype(np.float32), acc[:,2].reshape(rows,cols).astype(np.float32)
WC,WO,WP=(float(x) for x in os.environ.get('W','1,0.5,0.1').split(','))

def look_ahead(site, past, future, outlook):
    out=[]
    if outlook.now.planes[0].shape != site.picture.planes[0].shape: return out
    order=site.now.order
    after=sorted((a for a in outlook.later if a.picture.order>order), key=lambda a:a.picture.order)
    before=sorted((a for a in outlook.later if a.picture.order<order and (not past or a.picture.order>past[0].order)), key=lambda a:-a.picture.order)
    cut=site.flow_window
    rec=None
    if 'told' in MODES:
        rec=told(site, [a for a in outlook.later], (past or future)[0].order if (past or future) else None)
    if rec is not None and past:
        last=site.layer(past[0]); older=site.layer(past[1]) if len(past)>1 else None
        v,wt=rec
        from concealer.repair.spread import Spreader
        fl=Spreader(np.minimum(wt,1)).fill(v)*np.float32(last.order-order)
        fl=np.ascontiguousarray(cv2.resize(fl,(now_shape(site)[1],now_shape(site)[0]),interpolation=cv2.INTER_LINEAR))
        w2=[('told',fl)]
        if site.flow_trusted: w2.append(('acc_told',fill_flow(site,surroundings_flow(site,last),fl)[1]))
        lf=site.layer(future[0]) if future else None
        for name,f_ in w2:
            c=warp(site,last,f_[cut],name)
            if lf is not None:
                c2=warp(site,lf,f_[cut]*np.float32((lf.order-order)/(last.order-order)),name+'_f')
                from concealer.repair.candidates import _pair
                out+=[_pair(site,c,c2,0.5,name+'_both')[2]]
            else:
                if older is not None: c.doubt=_doubt_steady(site,last,older,f_[cut])
                out.append(c)
    if past and not future:
        last=site.layer(past[0]); older=site.layer(past[1]) if len(past)>1 else None
        seen=surroundings_flow(site,last) if site.flow_trusted else None
        wanted=[]
        if after:
            now = site.layer(outlook.now)
            nxt=after[0]; layer=site.layer(nxt.picture)
            f=motion.dense_flow(now.gray, layer.gray, site.scale)
            r=(order-last.order)/(nxt.picture.order-order)
            back=f*np.float32(-r)
            if 'next' in MODES: wanted.append(('next',back))
            if seen is not None and 'acc' in MODES: wanted.append(('acc_next',fill_flow(site,seen,back)[1]))
            if older is not None and 'mid' in MODES:
                mid=(back+_carried_on(site,last,older))*np.float32(0.5)
                if seen is not None: wanted.append(('acc_mid',fill_flow(site,seen,mid)[1]))
                else: wanted.append(('mid',mid))
        if before:
            b=before[0]; lb=site.layer(b.picture)
            back=motion.dense_flow(lb.gray,last.gray,site.scale)
            ratio=(order-lb.order)/(lb.order-last.order)
            to_b=motion.sample(back, back*np.float32(ratio), site.scale)*np.float32(ratio)
            comp=to_b+motion.sample(back,to_b,site.scale)
            if 'btw' in MODES: wanted.append(('between',comp))
            if 'btwacc' in MODES and seen is not None: wanted.append(('acc_between',fill_flow(site,seen,comp)[1]))
            if 'near' in MODES:
                for name,fl in (('near',to_b),)+((('acc_near',fill_flow(site,surroundings_flow(site,lb),to_b)[1]),) if seen is not None else ()):
                    c=warp(site,lb,fl[cut],name); c.barred=bar(site,b)
                    if older is not None: c.doubt=_doubt_steady(site,lb,last,fl[cut])
                    out.append(c)
            if 'chain' in MODES:
                now = site.layer(outlook.now)
                f1=motion.dense_flow(now.gray, lb.gray, site.scale)
                ch=f1+motion.sample(back,f1,site.scale)
                wanted.append(('chain',ch))
        for name,fl in wanted:
            c=warp(site,last,fl[cut],name)
            if older is not None: c.doubt=_doubt_steady(site,last,older,fl[cut])
            out.append(c)
    if past and future and 'both' in MODES:
        nearer=[a for a in after if a.picture.order<future[0].order]
        p=before[0] if before else None; f=nearer[0] if nearer else None
        if p or f:
            from concealer.repair.candidates import from_both
            lp=site.layer(p.picture if p else past[0]); lf=site.layer(f.picture if f else future[0])
            bp=bar(site,p) if p else None; bf=bar(site,f) if f else None
            bb=bp if bf is None else bf if bp is None else np.maximum(bp,bf)
            for c in from_both(site,lp,lf,False):
                c.barred=bb if c.name.endswith('both') else bf if c.name.endswith('future') else bp
                # its doubt too says nothing where one is tainted
                if bb is not None: c.barred=bb
                c.name='near_'+c.name
                out.append(c)
    return out
LAM=float(os.environ.get('LAM','0')); KIND=os.environ.get('KIND','mean')
def agree(site, cands):
    nx=[c for c in cands if c.name in ('next','acc_next')]
    if not nx or not LAM or any(c.doubt is None for c in cands): return cands
    ref=nx[-1 if KIND.endswith('acc') else 0]
    for c in cands:
        d=_disagreement(cv2.absdiff(c.luma, ref.luma), site.step)
        if KIND.startswith('mean'): c.doubt=c.doubt+LAM*d
        else: c.doubt=np.maximum(c.doubt, LAM*d)
    return cands
