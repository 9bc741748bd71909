"""Candidates from what a scout saw of the pictures behind the damaged one."""
from __future__ import annotations
import os
from collections.abc import Sequence
from typing import Any
import cv2
import numpy as np
import numpy.typing as npt
from concealer.outlook import TAINT_CELL, Ahead, Outlook
from concealer.picture import Picture
from concealer.repair import flow as motion
from concealer.repair.candidates import Candidate, fill_flow, surroundings_flow, warp, _doubt_steady, _ratio, _carried_on, _disagreement
from concealer.repair.crop import to_grid
from concealer.repair.site import Layer, Site
Array = npt.NDArray[Any]
MODES = set(os.environ.get('FUT','next,acc,mid').split(','))

def look_ahead(site, past, future, outlook):
    out=[]
    if outlook.now.planes[0].shape != site.picture.planes[0].shape: return out
    now = site.layer(outlook.now)
    order=site.now.order
    after=sorted((a for a in outlook.later if a.picture.order>order), key=lambda a:a.picture.order)
    cut=site.flow_window
    if past and not future and after:
        last=site.layer(past[0]); older=site.layer(past[1]) if len(past)>1 else None
        nxt=after[0]; layer=site.layer(nxt.picture)
        f=motion.dense_flow(now.gray, layer.gray, site.scale)
        r=(order-last.order)/(nxt.picture.order-order)
        back=f*np.float32(-r)
        seen=surroundings_flow(site,last) if site.flow_trusted else None
        wanted=[]
        if 'next' in MODES: wanted.append(('next',back))
        if seen is not None and 'acc' in MODES: wanted.append(('acc_next',fill_flow(site,seen,back)[1]))
        if older is not None and 'mid' in MODES:
            mid=(back+_carried_on(site,last,older))*np.float32(0.5)
            if seen is not None: wanted.append(('acc_mid',fill_flow(site,seen,mid)[1]))
            else: wanted.append(('mid',mid))
        for name,fl in wanted:
            c=warp(site,last,fl[cut],name)
            if older is not None: c.doubt=_doubt_steady(site,last,older,fl[cut])
            out.append(c)
    return out
